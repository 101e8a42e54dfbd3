// A chat as a phone shows it: bubbles, what answers what, and a line to write on.

import { element } from "/page/element.js";
import { formatted } from "/page/formatted.js";

const TYPING_MS = 5000; // https://core.telegram.org/bots/api#sendchataction

export class Chat {
  constructor(phone, one, place, attempt) {
    this.phone = phone;
    this.id = one.chat.id;
    this.isGroup = one.chat.type !== "private";
    this.key = this.isGroup ? String(one.chat.id) : one.chat.username;
    this.blocked = one.blocked;
    this.attempt = attempt;
    this.messages = new Map();
    this.loads = 0;
    this.meanwhile = null; // the events since a load began, which its answer may not have
    this.answering = null; // the message and the quote that are answered
    this.editing = null; // the message that is edited
    this.build(place, one.chat.title || one.chat.first_name);
  }

  build(place, title) {
    this.list = element("ol", { class: "bubbles", tabindex: "0", "aria-label": "Messages" });
    this.typing = element("p", { class: "typing", "aria-live": "polite" });
    this.context = element("p", { class: "context" });
    this.text = element("textarea", {
      rows: 2,
      maxlength: 4096,
      dir: "auto",
      "aria-label": "Message",
      placeholder: "Message",
      onkeydown: (event) => this.key_down(event),
    });
    this.blocking = element("button", { onclick: () => this.block() });
    this.form = element(
      "form",
      { onsubmit: (event) => this.send(event) },
      this.context,
      this.text,
      element("button", { type: "submit" }, "Send"),
    );
    const head = element("header", {}, element("h2", {}, element("bdi", {}, title)), this.isGroup ? null : this.blocking);
    place.replaceChildren(head, this.list, this.typing, this.form);
    this.show_block();
  }

  async load() {
    const turn = ++this.loads; // of several loads at once only the last one counts
    this.meanwhile ??= [];
    try {
      const messages = await this.phone.messages(this.key);
      if (turn === this.loads) this.show(messages);
    } finally {
      if (turn === this.loads) {
        const events = this.meanwhile;
        this.meanwhile = null;
        events.forEach((event) => this.take(event));
      }
    }
  }

  /** Draw the messages, unless they are drawn already: what is being clicked stays where it is. */
  show(messages) {
    if (this.list.hasChildNodes() && same(messages, [...this.messages.values()])) return;
    this.messages = new Map(messages.map((one) => [one.message_id, one]));
    this.list.replaceChildren(...messages.map((one) => this.bubble(one)));
    this.to_end();
  }

  /** Show an event of this chat, which may be known already. */
  take(event) {
    if (this.meanwhile) {
      this.meanwhile.push(event);
      return;
    }
    if (event.what === "message") {
      this.show_typing("");
      const known = this.find(event.message.message_id);
      if (known && same(event.message, this.messages.get(event.message.message_id))) return;
      this.messages.set(event.message.message_id, event.message);
      if (known) known.replaceWith(this.bubble(event.message));
      else this.list.append(this.bubble(event.message));
      this.to_end();
    } else if (event.what === "edited") {
      const known = this.find(event.message.message_id);
      if (!known) return; // it is not drawn, so it must not count as drawn
      this.messages.set(event.message.message_id, event.message);
      known.replaceWith(this.bubble(event.message));
    } else if (event.what === "deleted") {
      for (const id of event.message_ids) {
        this.messages.delete(id);
        this.find(id)?.remove();
      }
    } else if (event.what === "typing") {
      this.show_typing(event.action === "cancel" ? "" : event.action.replace("_", " "));
    } else if (event.what === "blocked") {
      this.blocked = event.blocked;
      this.show_block();
    }
  }

  bubble(message) {
    const own = message.from.id === this.phone.id;
    const service = service_text(message);
    if (service) return element("li", { class: "service", "data-id": message.message_id }, service);
    const time = new Date(message.date * 1000);
    const original = message.reply_to_message;
    return element(
      "li",
      { class: own ? "own" : "other", "data-id": message.message_id },
      this.isGroup && !own ? element("strong", {}, element("bdi", {}, message.from.first_name)) : null,
      original
        ? element("blockquote", { dir: "auto" }, message.quote?.text ?? original.text ?? "")
        : null,
      element("div", { class: "text", dir: "auto" }, ...formatted(message.text ?? "", message.entities ?? [])),
      element(
        "footer",
        {},
        message.edit_date ? "edited " : "",
        element("time", { datetime: time.toISOString() }, time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })),
        element("button", { onclick: () => this.answer(message) }, "Reply"),
        own ? element("button", { onclick: () => this.edit(message) }, "Edit") : null,
        element("button", { onclick: () => this.attempt(() => this.phone.remove(this.key, message.message_id)) }, "Delete"),
      ),
    );
  }

  answer(message) {
    const selection = String(getSelection()).trim();
    this.editing = null;
    this.answering = { message, quote: selection && message.text?.includes(selection) ? selection : "" };
    this.context.textContent = `Reply to: ${this.answering.quote || message.text}`;
    this.text.focus();
  }

  edit(message) {
    this.answering = null;
    this.editing = message;
    this.context.textContent = "Edit your message";
    this.text.value = message.text;
    this.text.focus();
  }

  async send(event) {
    event?.preventDefault();
    const text = this.text.value;
    if (!text.trim()) return;
    const { answering, editing } = this;
    const answer = await this.attempt(() =>
      editing
        ? this.phone.edit(this.key, editing.message_id, text)
        : this.phone.write(this.key, text, answering?.message.message_id ?? 0, answering?.quote ?? ""),
    );
    if (!answer) return;
    this.text.value = "";
    this.forget();
  }

  forget() {
    if (this.editing) this.text.value = "";
    this.answering = null;
    this.editing = null;
    this.context.textContent = "";
  }

  block() {
    this.attempt(() => this.phone.block(this.key, !this.blocked));
  }

  key_down(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.send(event);
    if (event.key === "Escape") this.forget();
  }

  show_block() {
    this.blocking.textContent = this.blocked ? "Unblock" : "Block";
    this.form.hidden = this.blocked;
  }

  show_typing(action) {
    clearTimeout(this.clock);
    this.typing.textContent = action ? `${action} …` : "";
    if (action) this.clock = setTimeout(() => this.show_typing(""), TYPING_MS);
  }

  find(id) {
    return this.list.querySelector(`[data-id="${Number(id)}"]`);
  }

  to_end() {
    this.list.scrollTop = this.list.scrollHeight;
  }
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** The text of a service message, by which a group says what happened to it; empty: it is none. */
function service_text(message) {
  const by = message.from.first_name;
  if (message.group_chat_created) return `${by} made the group`;
  if (message.new_chat_members) return `${by} brought in ${message.new_chat_members.map((one) => one.first_name).join(", ")}`;
  if (message.left_chat_member) return `${message.left_chat_member.first_name} is gone`;
  if (message.migrate_to_chat_id) return "This group has become a supergroup";
  if (message.migrate_from_chat_id) return "This was a group before";
  return "";
}
