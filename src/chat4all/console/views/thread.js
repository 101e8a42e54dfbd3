// What was said in one conversation: drawn where it is looked at, loaded as it is needed, kept still while rows come in.

import { element, iconButton } from "../element.js";
import { drawSoon } from "../pointer.js";
import { AnswerError } from "../rest.js";
import { t } from "../texts.js";
import { dayOf } from "../times.js";
import { membersLine, message } from "./message.js";
import { Window } from "./window.js";

const NEAR = 800; // pixels to an edge at which more is drawn
const AT_BOTTOM = 48; // pixels within which one is looking at the newest
const INNER = "a, button"; // what in a message can have the focus
const GROUPED = 5 * 60_000; // ms between messages of one sender that stand together

export class Thread {
  #inbox;
  #outbox;
  #session;
  #on;
  #conversation = null;
  #window = new Window();
  #drawn = new Map(); // key → {element, print}
  #quoted = new Map(); // message id → row, or null where it cannot be had
  #drawing = false; // it will be, soon
  #follow = true;
  #loading = false;
  #stuck = false; // loading failed: what to do is said at the top
  #fresh = 0;
  #divider = null; // the seq of the first message that was unread when it was opened, and how many were

  /** `on`: reply, edit, remove, details: each gets a row; compose(): the text box is wanted. */
  constructor(session, inbox, outbox, on) {
    this.#session = session;
    this.#inbox = inbox;
    this.#outbox = outbox;
    this.#on = { ...on, quote: (row) => this.#toQuoted(row), resend: (row) => this.#resend(row), retry: (entry) => outbox.retry(entry), discard: (entry) => outbox.discard(entry) };
    this.top = element("p", { class: "top quiet" });
    this.rows = element("div", { class: "rows" });
    this.log = element(
      "div",
      { class: "log", role: "log", tabindex: 0, aria: { live: "off" }, on: { keydown: (event) => this.#onKey(event) } },
      this.top,
      this.rows,
    );
    this.log.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.pill = element("button", { type: "button", class: "pill", hidden: true, on: { click: () => this.toBottom() } });
    // Only what is new is read out; that older messages are drawn is nothing to hear.
    this.heard = element("div", { class: "visually-hidden", aria: { live: "polite" } });
    this.root = element("div", { class: "thread" }, this.log, this.pill, this.heard);
    new ResizeObserver(() => this.#follow && this.#scrollToEnd()).observe(this.log);
    inbox.addEventListener("changed", (event) => this.#changed(event.detail));
    outbox.addEventListener("changed", (event) => event.detail.id === this.#conversation?.id && this.#drawSoon());
    for (const event of ["focus", "visibilitychange"]) window.addEventListener(event, () => this.#read());
  }

  async open(conversation) {
    this.close();
    this.#conversation = conversation;
    conversation.watched = true;
    this.log.setAttribute("aria-label", t("messagesOf", { name: conversation.title }));
    const { unread, readSeq } = conversation;
    this.#divider = null;
    if (!conversation.loaded) await this.#load();
    if (this.#conversation !== conversation) return;
    if (unread) this.#divider = { after: readSeq, count: Math.min(unread, 99) };
    this.toBottom();
  }

  close() {
    if (this.#conversation) {
      this.#conversation.watched = false;
      this.#conversation.shrink();
    }
    this.#conversation = null;
    this.heard.textContent = "";
    this.#follow = true;
    this.#fresh = 0;
    this.#drawn.clear();
    this.rows.replaceChildren();
    this.top.textContent = "";
    this.#stuck = false;
    this.pill.hidden = true;
  }

  /** The newest message of one's own, to be edited: null where there is none, or where it is not accepted yet. */
  lastOwn() {
    if (!this.#conversation) return null;
    const { id, first } = this.#conversation;
    const entry = this.#unsettled().at(-1);
    if (entry && entry.state !== "accepted") return null;
    // Where all that is loaded came after it was written, it may have come back before that: then it is not the newest.
    if (entry && entry.after + 1 >= first) return { ...this.#asRow(entry), message_id: entry.messageId, conversation_id: id };
    const rows = [...this.#conversation.rows.values()].sort((a, b) => b.seq - a.seq);
    return rows.find((row) => row.type === "message" && row.sender_id === this.#inbox.me && !row.deleted_at) ?? null;
  }

  /** Something was written: what was new is not any more. */
  answered() {
    this.#divider = null;
    this.toBottom();
  }

  toBottom() {
    if (!this.#conversation) return;
    this.#window.toEnd(this.#seqs());
    this.#follow = true;
    this.#fresh = 0;
    this.#draw();
    this.#scrollToEnd();
    this.#read();
  }

  #changed({ id, row }) {
    if (id !== this.#conversation?.id) return;
    if (!this.#conversation.loaded && !this.#loading) this.#reload();
    if (row?.type === "edit" || row?.type === "delete") {
      this.heard.textContent = ""; // what was changed or taken back stands nowhere any more
      this.#quoted.delete(row.message_id);
    }
    if (row?.type === "message" && row.sender_id !== this.#inbox.me) this.#heard(row);
    this.#drawSoon();
  }

  async #reload() {
    const conversation = this.#conversation;
    await this.#load();
    if (conversation === this.#conversation) this.toBottom();
  }

  #heard(row) {
    this.heard.replaceChildren(`${this.#conversation.name(row.sender_id)}: ${row.content}`);
    if (!this.#follow) this.#fresh += 1;
  }

  async #load() {
    const conversation = this.#conversation;
    this.#loading = true;
    this.top.textContent = t("loadingOlder");
    try {
      // What was let go of while its page was on the way is asked for again.
      while ((await this.#inbox.load(conversation)) && !conversation.loaded);
      this.#stuck = false;
      for (const { messageId } of this.#outbox.entries(conversation.id)) if (conversation.row(messageId)) this.#outbox.settled(messageId);
      this.#settleTop();
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      this.#stuck = true;
      this.top.replaceChildren(t("notLoaded"), " ", element("button", { type: "button", class: "link", on: { click: () => this.#more() } }, t("retry")));
    } finally {
      this.#loading = false;
    }
  }

  #settleTop() {
    if (!this.#stuck) this.top.textContent = this.#conversation?.complete ? t("beginning") : "";
  }

  /** The seqs that are something to see. */
  #seqs() {
    const shown = [];
    for (const [seq, row] of this.#conversation.rows) if (row.type === "message" || row.type === "members") shown.push(seq);
    return shown.sort((a, b) => a - b);
  }

  #drawSoon() {
    if (this.#drawing) return;
    this.#drawing = true;
    drawSoon(() => {
      this.#drawing = false;
      if (!this.#conversation) return;
      this.#draw();
      this.#read();
    });
  }

  /** Bring the elements up to date, and keep what is looked at where it is. */
  #draw() {
    if (this.#window.atEnd && !this.#seqs().length) this.#window.toEnd([]);
    const anchor = this.#follow ? null : this.#anchor();
    const active = document.activeElement?.closest?.(".rows > article");
    const focused = active?.dataset.key;
    const inner = active ? [...active.querySelectorAll(INNER)].indexOf(document.activeElement) : -1;
    this.#reconcile([...this.#ofRows(), ...(this.#window.atEnd ? this.#ofOutbox() : [])]);
    if (focused && !active.isConnected) this.#refocus(focused, inner);
    const held = this.#drawn.get(anchor?.key)?.element;
    if (held) this.log.scrollTop += held.getBoundingClientRect().top - anchor.top;
    else if (this.#follow) this.#scrollToEnd();
    if (!this.#loading) this.#settleTop();
    this.#showPill();
    this.#fill();
  }

  /**
   * What had the focus was made anew; what was being sent has another key now and is one's own newest. A link or button
   * in it (`inner`: which) has the focus again, if it is there again.
   */
  #refocus(key, inner) {
    const now = this.#drawn.get(key)?.element ?? [...this.rows.querySelectorAll("article.mine")].at(-1);
    const target = now?.querySelectorAll(INNER)[inner] ?? now;
    target?.focus({ preventScroll: true });
  }

  /** Where what is loaded is too little to scroll in, as where a page was edits only, more is loaded. */
  #fill() {
    const conversation = this.#conversation;
    const short = this.log.scrollHeight <= this.log.clientHeight + NEAR;
    if (short && !this.#stuck && conversation.loaded && !conversation.complete && !this.#loading) this.#more();
  }

  #reconcile(wanted) {
    const keys = new Set(wanted.map((one) => one.key));
    for (const [key, { element: old }] of this.#drawn) {
      if (keys.has(key)) continue;
      old.remove();
      this.#drawn.delete(key);
    }
    let place = this.rows.firstChild;
    for (const { key, print, make } of wanted) {
      const known = this.#drawn.get(key);
      if (known?.print !== print) {
        const made = make();
        if (known?.element === place) place = place.nextSibling;
        known?.element.remove();
        this.#drawn.set(key, { element: made, print });
      }
      const { element: current } = this.#drawn.get(key);
      if (current === place) place = place.nextSibling;
      else this.rows.insertBefore(current, place);
    }
  }

  #ofRows() {
    const conversation = this.#conversation;
    const seqs = this.#seqs();
    const drawn = this.#window.drawn(seqs, { follow: this.#follow });
    let before = conversation.rows.get(seqs[seqs.indexOf(drawn[0]) - 1]);
    const changes = new Map(this.#outbox.entries(conversation.id).map((one) => [one.target, one]));
    return drawn.map((seq) => {
      const row = conversation.rows.get(seq);
      const view = this.#view(row, before, changes.get(row.message_id));
      before = row;
      if (row.type === "members") return { key: view.key, print: print(row, view), make: () => membersLine(row, view) };
      return { key: view.key, print: print(row, view), make: () => message(row, view, this.#actions(view)) };
    });
  }

  #view(row, before, change) {
    const mine = row.sender_id === this.#inbox.me;
    const { after, count } = this.#divider ?? {};
    const divider = count && row.seq > after && !(before?.seq > after) ? count : 0;
    const newDay = !before || dayOf(before.timestamp) !== dayOf(row.timestamp);
    const near = before?.type === "message" && Date.parse(row.timestamp) - Date.parse(before.timestamp) < GROUPED;
    return {
      key: String(row.seq),
      mine,
      newDay,
      divider,
      grouped: near && !newDay && !divider && before.sender_id === row.sender_id,
      state: change ? (change.state === "refused" ? "changeRefused" : "changing") : mine ? this.#conversation.status(row) : "",
      name: this.#conversation.name(row.sender_id),
      failures: mine && !row.deleted_at && !change ? (row.failures ?? null) : null,
      reason: change?.reason ?? null,
      change,
      quote: row.type === "message" && !row.deleted_at ? this.#quote(row) : null,
    };
  }

  /** What is not accepted, or accepted and not come back yet, stands at the end. */
  #ofOutbox() {
    return this.#unsettled().map((entry) => {
      const row = this.#asRow(entry);
      const state = entry.state === "accepted" ? "sent" : entry.state;
      const view = { key: entry.key, mine: true, state, reason: entry.reason, change: entry, quote: this.#quote(row) };
      return { key: entry.key, print: print(row, view), make: () => message(row, view, this.#actions(view)) };
    });
  }

  /** The entries of messages that are not among the rows yet. */
  #unsettled() {
    const entries = this.#outbox.entries(this.#conversation.id).filter((one) => one.kind === "message" && !this.#isBack(one));
    for (const { messageId } of entries) if (messageId && this.#conversation.row(messageId)) this.#outbox.settled(messageId);
    return entries.filter((one) => !this.#conversation.row(one.messageId));
  }

  #asRow({ at, body: { content, reply_to: replyTo = null } }) {
    return { content, reply_to: replyTo, timestamp: at, edited_at: null, deleted_at: null, sender_id: this.#inbox.me };
  }

  /** Its row is here before the answer to it is: as far as one can see, for it is not shown twice for that moment. */
  #isBack({ state, after, body }) {
    if (state !== "sending") return false;
    const since = [...this.#conversation.rows.values()].filter((row) => row.seq > after);
    const alike = since.filter((row) => row.type === "message" && row.sender_id === this.#inbox.me && row.content === body.content);
    return alike.some((row) => !this.#outbox.named(row.message_id)); // else it is another one with the same text
  }

  #actions({ change }) {
    if (!change) return this.#on;
    return { ...this.#on, retry: () => this.#outbox.retry(change), discard: () => this.#outbox.discard(change) };
  }

  #quote(row) {
    if (!row.reply_to) return null;
    const quoted = this.#conversation.row(row.reply_to) ?? this.#quoted.get(row.reply_to);
    if (quoted === undefined) this.#fetchQuoted(row.reply_to);
    if (!quoted) return { sender: "", text: t("quoteGone") };
    return { sender: this.#conversation.name(quoted.sender_id), text: quoted.deleted_at ? t("deleted") : quoted.content };
  }

  async #fetchQuoted(messageId) {
    this.#quoted.set(messageId, null);
    try {
      this.#quoted.set(messageId, (await this.#session.call("GET", `/v1/messages/${messageId}`)).body);
      this.#drawSoon();
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      if (error.passes) this.#quoted.delete(messageId); // asked for again when it is drawn again
    }
  }

  async #resend(row) {
    const conversation = this.#conversation;
    try {
      await this.#inbox.resend(conversation, row);
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      this.heard.textContent = error.status ? error.message : t("noAnswer");
    }
  }

  /** Go to the message that this one answers, loading what lies between. */
  async #toQuoted({ reply_to: messageId }) {
    const seq = this.#conversation.row(messageId)?.seq ?? this.#quoted.get(messageId)?.seq;
    if (!seq) return;
    const conversation = this.#conversation;
    while (!conversation.rows.has(seq) && !conversation.complete && conversation === this.#conversation) {
      const before = conversation.first;
      await this.#load();
      if (conversation.first === before) return;
    }
    if (conversation !== this.#conversation || !conversation.rows.has(seq)) return;
    this.#window.around(this.#seqs(), seq);
    this.#follow = false;
    this.#draw();
    const { element: found } = this.#drawn.get(String(seq));
    found.scrollIntoView({ block: "center" });
    found.focus({ preventScroll: true });
  }

  async #more() {
    if (this.#loading || !this.#conversation) return;
    if (!this.#conversation.loaded) {
      await this.#reload();
      return;
    }
    if (!this.#window.up(this.#seqs())) {
      if (this.#conversation.complete) return;
      const conversation = this.#conversation;
      await this.#load();
      if (conversation !== this.#conversation || this.#stuck) return;
      this.#window.up(this.#seqs());
    }
    this.#draw();
  }

  #onScroll() {
    if (!this.#conversation) return;
    const { scrollTop, scrollHeight, clientHeight } = this.log;
    const below = scrollHeight - scrollTop - clientHeight;
    this.#follow = this.#window.atEnd && below < AT_BOTTOM;
    if (scrollTop < NEAR && !this.#follow) this.#more();
    if (below < NEAR && this.#window.down(this.#seqs())) this.#draw();
    if (this.#follow) this.#fresh = 0;
    this.#showPill();
    this.#read();
  }

  #anchor() {
    const edge = this.log.getBoundingClientRect().top;
    for (const one of this.rows.children) {
      const { top, bottom } = one.getBoundingClientRect();
      if (bottom > edge) return { key: one.dataset.key, top };
    }
    return null;
  }

  #scrollToEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  #showPill() {
    this.pill.hidden = this.#follow;
    this.pill.textContent = this.#fresh ? t("newMessages", { count: this.#fresh }) : t("toBottom");
  }

  /** What is on a screen that somebody looks at has been read. */
  #read() {
    const looking = document.visibilityState === "visible" && document.hasFocus();
    if (looking && this.#conversation?.loaded && this.#follow && this.#window.atEnd) this.#inbox.read(this.#conversation);
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("button, a") && (event.key === "Enter" || event.key === " ")) return;
    const current = event.target.closest("article");
    const next = this.#neighbour(current, event.key);
    const row = this.#conversation?.rows.get(Number(current?.dataset.seq));
    if (next) next.focus();
    else if (!this.#act(event.key.toLowerCase(), row)) return;
    event.preventDefault();
  }

  #neighbour(current, key) {
    const { firstElementChild: first, lastElementChild: last } = this.rows;
    if (key === "ArrowUp") return current ? current.previousElementSibling : last;
    if (key === "ArrowDown") return current ? current.nextElementSibling : first;
    if (key === "End") return last;
    return null;
  }

  #act(key, row) {
    const mine = row?.sender_id === this.#inbox.me;
    if (key === "c") this.#on.compose();
    else if (row?.type !== "message" || row.deleted_at) return false;
    else if (key === "r") this.#on.reply(row);
    else if (key === "enter") this.#on.details(row);
    else if (key === "e" && mine) this.#on.edit(row);
    else if (key === "delete" && mine) this.#on.remove(row);
    else return false;
    return true;
  }
}

/** All that decides how a row looks: while it stays the same, so does the element. */
function print(row, view) {
  const { change, ...rest } = view;
  return JSON.stringify([row.content, row.edited_at, row.deleted_at, row.timestamp, row.seq, rest, change?.state ?? null]);
}
