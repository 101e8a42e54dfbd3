// The conversations, by last activity: who, the last words, when, how many are unread, who is there.

import { avatar, element, words } from "../element.js";
import { drawSoon } from "../pointer.js";
import { t } from "../texts.js";
import { brief } from "../times.js";

export class List {
  #inbox;
  #items = new Map(); // conversation id → element
  #stale = new Set(); // conversation ids
  #drawing = false; // it will be, soon
  #chosen = null;

  constructor(inbox) {
    this.#inbox = inbox;
    this.empty = element("div", { class: "empty" }, element("p", {}, t("noConversations")), element("p", {}, t("noConversationsHint")));
    this.list = element("ul", { class: "conversations", on: { keydown: (event) => this.#walk(event) } });
    this.root = element("nav", { aria: { label: t("conversations") } }, this.list, this.empty);
    inbox.addEventListener("changed", (event) => this.#mark(event.detail.id));
    inbox.addEventListener("gone", (event) => this.#mark(event.detail.id));
    inbox.addEventListener("presence", (event) => this.#markAll((one) => one.members.includes(event.detail.user)));
  }

  /** Times that are said relative to today grow old. */
  refresh() {
    this.#markAll(() => true);
  }

  choose(id) {
    for (const one of [this.#chosen, id]) if (one) this.#mark(one);
    this.#chosen = id;
  }

  /** Give the focus to this conversation, or to the first one. False where there is none. */
  focus(id = null) {
    this.#draw();
    const item = this.#items.get(id) ?? this.list.firstElementChild;
    item?.firstChild.focus();
    return Boolean(item);
  }

  /** The id of the conversation so many places further down. */
  neighbour(steps) {
    const ids = this.#inbox.sorted.map((one) => one.id);
    const at = ids.indexOf(this.#chosen);
    return ids[Math.min(ids.length - 1, Math.max(0, at < 0 ? 0 : at + steps))] ?? null;
  }

  #markAll(which) {
    for (const one of this.#inbox.conversations.values()) if (which(one)) this.#mark(one.id);
  }

  /** Many changes come at once: they are drawn together. */
  #mark(id) {
    this.#stale.add(id);
    if (this.#drawing) return;
    this.#drawing = true;
    drawSoon(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #draw() {
    const focused = document.activeElement?.closest?.(".conversations li")?.dataset.id;
    const sorted = this.#inbox.sorted;
    for (const id of this.#items.keys()) if (!this.#inbox.conversations.has(id)) this.#remove(id);
    sorted.forEach((conversation, place) => {
      const item = this.#item(conversation);
      if (this.list.children[place] !== item) this.list.insertBefore(item, this.list.children[place] ?? null);
    });
    this.#stale.clear();
    this.empty.hidden = sorted.length > 0;
    if (focused) this.#items.get(focused)?.firstChild.focus();
  }

  #item(conversation) {
    const old = this.#items.get(conversation.id);
    if (old && !this.#stale.has(conversation.id)) return old;
    const made = element("li", { dataset: { id: conversation.id } }, this.#link(conversation));
    old?.replaceWith(made);
    this.#items.set(conversation.id, made);
    return made;
  }

  #link(conversation) {
    const { id, unread } = conversation;
    const here = conversation.others.filter((one) => (this.#inbox.people.get(one) ?? "offline") !== "offline");
    const presence = here.length > 0 && presenceOf(conversation, here, this.#inbox);
    const count = unread > 99 ? "99+" : String(unread);
    const badge = unread > 0 && element("span", { class: "badge" }, element("span", { aria: { hidden: "true" } }, count), hidden(unreadText(unread)));
    return element(
      "a",
      { href: `#/c/${encodeURIComponent(id)}`, class: unread > 0 && "has-unread", aria: { current: id === this.#chosen && "page" } },
      element("span", { class: "portrait" }, avatar(conversation.title), presence),
      words(conversation.title, { class: "title" }),
      element("time", { datetime: conversation.lastAt }, brief(conversation.lastAt)),
      preview(conversation),
      badge,
    );
  }

  #remove(id) {
    this.#items.get(id).remove();
    this.#items.delete(id);
  }

  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey) return;
    const links = [...this.list.querySelectorAll("a")];
    links[links.indexOf(document.activeElement) + step]?.focus();
    event.preventDefault();
  }
}

function presenceOf(conversation, here, inbox) {
  const away = here.every((one) => inbox.people.get(one) === "away");
  const text = conversation.others.length === 1 ? t(away ? "away" : "online") : t("here", { count: here.length });
  return element("span", { class: `presence ${away ? "away" : "online"}`, title: text }, hidden(text));
}

function preview(conversation) {
  const { preview: last, me, type } = conversation;
  if (!last) return element("span", { class: "preview quiet" }, t("nothingSaid"));
  if (last.deleted) return element("span", { class: "preview quiet" }, t("deleted"));
  const line = last.content.replace(/\s+/g, " ").trim();
  if (last.sender_id === me) return words(t("youSaid", { text: line }), { class: "preview" });
  return words(type === "group" ? `${conversation.name(last.sender_id)}: ${line}` : line, { class: "preview" });
}

function unreadText(count) {
  return count > 99 ? t("unreadMany") : t("unread", { count });
}

function hidden(text) {
  return element("span", { class: "visually-hidden" }, ` ${text}`);
}
