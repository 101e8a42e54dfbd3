// A small form over the page.

import { element } from "/page/element.js";

/** Asks for some texts; returns them by name, or null if it was put away. `choices`: what may be chosen for a name. */
export function ask(title, fields, text = "", choices = {}) {
  const inputs = Object.entries(fields).map(([name, label]) => {
    const options = choices[name];
    const input = options
      ? element("select", { name }, element("option", { value: "" }, "none"), ...options.map((one) => element("option", {}, one)))
      : element("input", { name, required: name !== "first", autocomplete: "off", maxlength: 128 });
    return element("label", {}, label, input);
  });
  const cancel = element("button", { type: "button" }, inputs.length ? "Cancel" : "Close");
  const form = element(
    "form",
    { method: "dialog" },
    element("h2", {}, title),
    text ? element("p", {}, text) : null,
    ...inputs,
    element("div", { class: "buttons" }, cancel, inputs.length ? element("button", { type: "submit" }, "Add") : null),
  );
  const dialog = element("dialog", { "aria-label": title }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    const end = (texts) => {
      dialog.remove();
      resolve(texts);
    };
    cancel.addEventListener("click", () => end(null));
    dialog.addEventListener("cancel", () => end(null));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      end(Object.fromEntries(new FormData(form)));
    });
  });
}
