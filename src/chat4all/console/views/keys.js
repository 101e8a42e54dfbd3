// The keyboard: what works everywhere, and the dialog that says which keys there are.

import { element } from "../element.js";
import { t } from "../texts.js";
import * as dialogs from "./dialogs.js";

const KEYS = [
  ["Ctrl+K", "key_find"],
  ["Alt+↓  Alt+↑", "key_switch"],
  ["↑  ↓", "key_walk"],
  ["R", "key_reply"],
  ["E  ↑", "key_edit"],
  ["Delete", "key_delete"],
  ["Enter", "key_details"],
  ["C", "key_compose"],
  ["Escape", "key_escape"],
  ["?", "key_help"],
];

/** Show which keys there are. */
export function open() {
  const lines = KEYS.flatMap(([keys, text]) => [
    element("dt", {}, ...keys.split("  ").map((key) => element("kbd", {}, key))),
    element("dd", {}, t(text)),
  ]);
  dialogs.open(t("keys"), [element("dl", { class: "keys" }, ...lines)]);
}

/** Listen for the keys that work everywhere, except while a dialog is open. */
export function listen({ find, step, leave }) {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing || event.defaultPrevented) return;
    const action = chosen(event, { find, step, leave });
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function chosen(event, { find, step, leave }) {
  const writing = event.target.closest?.("input, textarea");
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") return find;
  if (event.altKey && event.key === "ArrowDown") return () => step(1);
  if (event.altKey && event.key === "ArrowUp") return () => step(-1);
  if (event.key === "Escape") return leave;
  if (event.key === "?" && !writing) return open;
  return null;
}
