// The console of somebody who is logged in: the list on one side, a conversation on the other.

import { avatar, element, iconButton, words } from "./element.js";
import { Inbox } from "./inbox.js";
import { Outbox } from "./outbox.js";
import { AnswerError, ask } from "./rest.js";
import { Socket } from "./socket.js";
import { t } from "./texts.js";
import { ago } from "./times.js";
import { Banner } from "./views/banner.js";
import { Composer } from "./views/composer.js";
import * as dialogs from "./views/dialogs.js";
import * as finder from "./views/finder.js";
import * as keys from "./views/keys.js";
import { List } from "./views/list.js";
import { logInAgain } from "./views/login.js";
import { Thread } from "./views/thread.js";
import * as timeline from "./views/timeline.js";

const TYPING_SHOWN = 4000; // ms
const AGAIN = 2000; // ms until the list is asked for again, where the server did not answer
const MINUTE = 60_000;

export class Console {
  #session;
  #loaded; // a promise of whether they are an agent, kept when the list of conversations is there too
  #tellLoaded;
  #conversation; // null: none is open; undefined: nothing was shown yet
  #typingEnds = null;
  #askingAgain = false;

  constructor(session) {
    this.#session = session;
    this.#loaded = new Promise((resolve) => (this.#tellLoaded = resolve));
    this.inbox = new Inbox(session);
    this.outbox = new Outbox(session);
    this.socket = new Socket(session, () => this.inbox.cursors());
    this.inbox.socket = this.socket;
    this.banner = new Banner(() => this.socket.connect());
    this.list = new List(this.inbox);
    this.composer = new Composer({
      send: (content, replyTo) => this.#send(content, replyTo),
      edit: (row, content) => this.outbox.edit(row, content),
      typing: () => this.socket.say({ type: "typing", conversation_id: this.#conversation.id }),
      last: () => this.thread.lastOwn(),
    });
    this.thread = new Thread(session, this.inbox, this.outbox, {
      reply: (row) => this.composer.reply(row),
      edit: (row) => this.composer.edit(row),
      remove: (row) => this.#remove(row),
      details: (row) => timeline.open(session, row),
      compose: () => this.composer.focus(),
    });
    this.#lay();
    this.#listen();
  }

  /** Load, connect, show. */
  async start() {
    document.body.append(this.root);
    await this.#load();
    this.socket.connect();
    this.outbox.kick();
    this.#navigate();
    setInterval(() => this.list.refresh(), MINUTE);
  }

  async #load() {
    for (;;) {
      try {
        await this.inbox.refresh();
        const { body } = await this.#session.call("GET", `/v1/users?q=${encodeURIComponent(this.#session.username)}`);
        this.#tellLoaded(body.some((one) => one.username === this.#session.username && one.role !== "user"));
        await this.#suggest();
        return;
      } catch (error) {
        if (!(error instanceof AnswerError)) throw error;
        this.banner.notice(error.status ? error.message : t("noAnswer"));
        await new Promise((resolve) => setTimeout(resolve, error.wait ?? AGAIN));
      }
    }
  }

  #lay() {
    const me = this.#session.username;
    this.find = iconButton("new", t("newConversation"), () => this.#find());
    const help = iconButton("keys", t("keys"), keys.open);
    const out = iconButton("out", t("logOut"), () => this.#logOut());
    const top = element("header", { class: "bar" }, element("h1", { class: "visually-hidden" }, "Chat4All"), avatar(me), words(me, { class: "me" }), this.find, help, out);
    this.side = element("section", { class: "side", aria: { label: t("conversations") } }, top, this.list.root);
    this.back = iconButton("back", t("back"), () => this.#leave(), { class: "icon-button back" });
    this.title = element("h1", { tabindex: -1 });
    this.about = element("p", { class: "quiet", role: "status" });
    const bar = element("header", { class: "bar" }, this.back, element("div", { class: "titles" }, this.title, this.about));
    this.chat = element("section", { class: "chat", hidden: true }, bar, this.thread.root, this.composer.root);
    this.placeholder = element("section", { class: "placeholder" }, element("p", {}, t("choose")));
    const talk = element("div", { class: "talk" }, this.chat, this.placeholder);
    const body = element("main", { class: "panes" }, this.side, talk);
    this.root = element("div", { class: "console" }, this.banner.root, body, this.banner.notices);
  }

  #listen() {
    this.socket.addEventListener("frame", ({ detail }) => this.inbox.hear(detail));
    this.socket.addEventListener("state", ({ detail: { state, at } }) => {
      this.banner.show(state, at);
      if (state === "open") this.outbox.kick();
    });
    this.#session.addEventListener("expired", () => this.#again());
    this.inbox.addEventListener("changed", ({ detail }) => this.#changed(detail));
    this.inbox.addEventListener("gone", ({ detail }) => this.#gone(detail));
    this.inbox.addEventListener("presence", () => this.#describe());
    this.inbox.addEventListener("typing", ({ detail }) => detail.id === this.#conversation?.id && this.#describe());
    window.addEventListener("hashchange", () => this.#navigate());
    window.addEventListener("online", () => this.outbox.kick());
    keys.listen({ find: () => this.#find(), step: (steps) => this.#step(steps), leave: () => this.#escape() });
  }

  /** The address says which conversation is open, so that a reload and the back button do what one expects. */
  async #navigate() {
    const named = /^#\/c\/(.+)$/.exec(location.hash)?.[1];
    const conversation = this.inbox.sorted.find((one) => encodeURIComponent(one.id) === named) ?? null;
    if (conversation === this.#conversation) return;
    const left = this.#conversation?.id;
    this.#conversation = conversation;
    this.chat.hidden = !conversation;
    this.placeholder.hidden = Boolean(conversation);
    this.root.classList.toggle("chatting", Boolean(conversation));
    this.list.choose(conversation?.id ?? null);
    if (!conversation) {
      this.thread.close();
      const begun = !left && this.root.contains(document.activeElement); // while it loaded; it is not taken from them
      if (!begun && !this.list.focus(left)) this.find.focus();
      return;
    }
    this.composer.open(conversation);
    this.#describe();
    this.#lastSeen(conversation);
    if (matchMedia("(hover: hover)").matches) this.composer.focus();
    else this.title.focus(); // where there is no keyboard, the one on the screen would cover what one came to read
    await this.thread.open(conversation);
  }

  #open(id) {
    location.hash = `#/c/${encodeURIComponent(id)}`;
  }

  #leave() {
    location.hash = "#/";
  }

  #escape() {
    if (!this.composer.cancel()) this.#leave();
  }

  #step(steps) {
    const id = this.list.neighbour(steps);
    if (id) this.#open(id);
  }

  #find() {
    finder.open(this.#session, {
      agent: this.#loaded,
      onChosen: async (names) => {
        await this.#loaded; // what is not loaded yet may be the conversation that they want
        this.#open((await this.inbox.with(names)).id);
      },
    });
  }

  #send(content, replyTo) {
    this.outbox.post(this.#conversation.id, content, replyTo, this.#conversation.lastSeq);
    this.thread.answered();
  }

  async #remove(row) {
    if (await dialogs.confirm(t("removeAsk"), t("remove"))) this.outbox.delete(row);
  }

  #changed({ id, row }) {
    if (row?.type === "message" && row.sender_id === this.inbox.me) this.outbox.settled(row.message_id);
    const unread = this.inbox.unread;
    document.title = unread ? `(${unread > 99 ? "99+" : unread}) Chat4All` : "Chat4All";
    if (id !== this.#conversation?.id) return;
    this.#describe();
    if (row?.type === "delete") this.composer.follow(this.#conversation.rows.get(row.target_seq));
  }

  #gone({ id }) {
    this.banner.notice(t("goneConversation"));
    if (id === this.#conversation?.id) this.#leave();
  }

  /** The line under the title: who writes, else who is there. */
  #describe() {
    const conversation = this.#conversation;
    if (!conversation) return;
    this.title.replaceChildren(words(conversation.title));
    const text = this.#typing(conversation) ?? this.#presence(conversation);
    if (this.about.textContent !== text) this.about.textContent = text;
  }

  #typing({ typing }) {
    const since = Date.now() - TYPING_SHOWN;
    const names = [...typing].filter(([, at]) => at > since).map(([name]) => name);
    if (!names.length) return null;
    clearTimeout(this.#typingEnds);
    this.#typingEnds = setTimeout(() => this.#describe(), TYPING_SHOWN);
    return names.length === 1 ? t("typing", { name: names[0] }) : t("typingMany", { names: names.join(", ") });
  }

  #presence({ others, metadata, hasApp }) {
    const { people, seen, channels } = this.inbox;
    if (others.length === 1 && !hasApp(others[0])) return t("onChannel", { channel: channels.get(metadata.channel) ?? metadata.channel ?? "?" });
    const statuses = others.map((one) => people.get(one) ?? "offline");
    const here = statuses.filter((one) => one !== "offline").length;
    if (others.length > 1) return here ? t("here", { count: here }) : t("nobodyHere");
    const [other] = others;
    if (statuses[0] === "offline" && seen.has(other)) return t("lastSeen", { when: ago(seen.get(other)) });
    return others.length ? t(statuses[0]) : "";
  }

  async #lastSeen({ others, hasApp }) {
    if (others.length !== 1 || !hasApp(others[0]) || this.inbox.seen.has(others[0])) return;
    const path = `/v1/presence/${encodeURIComponent(others[0])}`;
    const { body } = await this.#session.call("GET", path).catch(() => ({ body: null })); // a courtesy
    if (body?.last_seen) this.inbox.seen.set(others[0], body.last_seen);
    this.#describe();
  }

  /** To newcomers of the demo: another window is all that it takes to have somebody to talk with. */
  async #suggest() {
    const { body } = await ask("GET", "/console/welcome.json");
    const other = body.demo.map((one) => one.username).find((name) => name !== this.#session.username && name !== "admin");
    if (!other) return;
    const link = { href: `./#as=${other}`, target: "_blank", rel: "noopener", class: "second-window" };
    this.placeholder.append(element("a", link, t("otherWindow", { name: other })));
  }

  async #again() {
    if (this.#askingAgain) return;
    this.#askingAgain = true;
    this.socket.close();
    await logInAgain(this.#session, () => this.#logOut());
    this.#askingAgain = false;
    this.socket.connect();
    this.outbox.kick();
  }

  async #logOut() {
    const count = this.outbox.unsent;
    if (count && !(await dialogs.confirm(t("leaveUnsent", { count }), t("logOut")))) return;
    this.socket.close();
    this.outbox.close();
    this.#session.logOut();
    location.replace(location.pathname); // a new page: nothing of this one stays in memory
  }
}
