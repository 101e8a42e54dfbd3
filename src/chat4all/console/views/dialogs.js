// Dialogs: modal, closed by Escape, by their button and by a click beside them; the focus goes back where it was.

import { element, iconButton } from "../element.js";
import { t } from "../texts.js";

/** Open a dialog with this title and content. Gives {dialog, close}. `onClose` is called however it was closed. */
export function open(title, content, { wide = false, onClose = null } = {}) {
  const close = () => dialog.close();
  const heading = element("h2", { id: "dialog-title" }, title);
  const dialog = element(
    "dialog",
    { class: wide ? "dialog wide" : "dialog", aria: { labelledby: "dialog-title" } },
    element("header", {}, heading, iconButton("close", t("close"), close)),
    ...content,
  );
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, close };
}

/** Ask before something that cannot be undone. Gives whether it is wanted. */
export function confirm(question, yes) {
  return new Promise((resolve) => {
    let wanted = false;
    const agree = () => {
      wanted = true;
      close();
    };
    const buttons = element(
      "div",
      { class: "buttons" },
      element("button", { type: "button", class: "secondary", autofocus: true, on: { click: () => close() } }, t("cancel")),
      element("button", { type: "button", class: "danger", on: { click: agree } }, yes),
    );
    const { close } = open(question, [buttons], { onClose: () => resolve(wanted) });
  });
}
