// The box in which messages are written: new ones, replies, and edits of one's own.

import { element, icon, iconButton, words } from "../element.js";
import { t } from "../texts.js";

const MOST = 10_000; // characters of a message, as the server counts them: code points
const TYPING_EVERY = 3000; // ms

export class Composer {
  #on;
  #drafts = new Map(); // conversation id → text
  #conversation = null;
  #about = null; // {kind: reply | edit, row}
  #typed = 0;

  /** `on`: send(content, replyTo), edit(row, content), typing(), last(): one's own last message, or null. */
  constructor(on) {
    this.#on = on;
    this.text = element("textarea", {
      id: "composer", rows: 1, dir: "auto", aria: { label: t("message"), describedby: "composer-hint" },
      on: { input: () => this.#changed(), keydown: (event) => this.#onKey(event) },
    });
    this.submit = element("button", { class: "primary send", title: t("send"), aria: { label: t("send") } }, icon("send"));
    this.about = element("div", { class: "about", hidden: true });
    this.count = element("p", { class: "error count", role: "status" });
    const hint = element("span", { id: "composer-hint", class: "visually-hidden" }, t("sendHint"));
    const line = element("div", { class: "line" }, this.text, this.submit);
    this.root = element("form", { class: "composer", on: { submit: (event) => this.#onSubmit(event) } }, this.about, this.count, line, hint);
  }

  /** Turn to a conversation; what was being written in the one before stays there. */
  open(conversation) {
    if (this.#conversation && this.#about?.kind !== "edit") this.#drafts.set(this.#conversation.id, this.text.value);
    this.#conversation = conversation;
    this.#about = null;
    const label = t("writeTo", { name: conversation.title });
    this.text.placeholder = label;
    this.text.setAttribute("aria-label", label);
    this.#put(this.#drafts.get(conversation.id) ?? "");
  }

  focus() {
    this.text.focus();
  }

  reply(row) {
    this.#stopEditing();
    this.#about = { kind: "reply", row };
    this.#changed();
    this.focus();
  }

  edit(row) {
    if (this.#about?.kind !== "edit") this.#drafts.set(this.#conversation.id, this.text.value);
    this.#about = { kind: "edit", row };
    this.#put(row.content);
    this.focus();
  }

  /** Stop replying or editing. False where there was nothing to stop. */
  cancel() {
    if (!this.#about) return false;
    this.#stopEditing();
    this.#about = null;
    this.#changed();
    this.focus();
    return true;
  }

  /** The message changed under our hands: a deleted one is neither edited nor answered any more. */
  follow(row) {
    if (row?.deleted_at && this.#about?.row.message_id === row.message_id) this.cancel();
  }

  #stopEditing() {
    if (this.#about?.kind === "edit") this.#put(this.#drafts.get(this.#conversation.id) ?? "");
  }

  #put(text) {
    this.text.value = text;
    this.#changed({ typed: false });
  }

  #changed({ typed = true } = {}) {
    const about = this.#about;
    this.about.hidden = !about;
    if (about) this.about.replaceChildren(...this.#describe(about));
    const length = [...this.text.value].length;
    this.count.textContent = length > MOST ? t("tooLong", { count: length.toLocaleString() }) : "";
    this.submit.disabled = length > MOST || !this.text.value.trim();
    this.#grow();
    if (typed && this.text.value && about?.kind !== "edit") this.#typing();
  }

  #describe({ kind, row }) {
    const label = kind === "edit" ? t("editing") : t("replyingTo", { name: row.sender_id });
    const cancel = iconButton("close", t("cancel"), () => this.cancel());
    return [element("span", { class: "about-what" }, element("strong", {}, label), words(row.content, { class: "about-text" })), cancel];
  }

  #grow() {
    this.text.style.setProperty("height", "auto");
    this.text.style.setProperty("height", `${this.text.scrollHeight + 2}px`);
  }

  #typing() {
    if (Date.now() - this.#typed < TYPING_EVERY) return;
    this.#typed = Date.now();
    this.#on.typing();
  }

  #onKey(event) {
    if (event.isComposing) return; // an input method is choosing a character: its Enter is not ours
    if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey) this.#onSubmit(event);
    if (event.key === "ArrowUp" && !event.altKey && this.text.value === "" && !this.#about) {
      const row = this.#on.last();
      if (!row) return;
      event.preventDefault();
      this.edit(row);
    }
  }

  #onSubmit(event) {
    event.preventDefault();
    if (this.submit.disabled) return;
    const content = this.text.value;
    const about = this.#about;
    this.#about = null;
    this.#typed = 0;
    if (about?.kind === "edit") {
      this.#put(this.#drafts.get(this.#conversation.id) ?? "");
      if (content !== about.row.content) this.#on.edit(about.row, content);
    } else {
      this.#drafts.delete(this.#conversation.id);
      this.#put("");
      this.#on.send(content, about?.row.message_id ?? null);
    }
    this.focus();
  }
}
