// What was written and is not known to be accepted: kept in this tab, sent in its order, again and again under the same
// Idempotency-Key, so that it is said once whatever happened to the answers.

import { AnswerError, newKey } from "./rest.js";

const FIRST_WAIT = 1000; // ms until a second try; doubles up to
const LONGEST_WAIT = 15_000;
const REMEMBERED = 500; // ids of each kind
const NOT_YET = 5; // tries of a change that is refused because its message may not be stored yet

/**
 * An entry: {key, kind: message | edit | delete, conversation, method, path, body, at, state: waiting | sending |
 * accepted | refused, reason, messageId, target,
 * after}. Event: `changed` (detail: {id}, the conversation's).
 */
export class Outbox extends EventTarget {
  #session;
  #place;
  #entries;
  #closed = false;
  #pumping = new Set(); // conversation ids
  #wake = new Set(); // ends the waiting of those that wait
  #arrived = new Set(); // ids of one's own messages that came back, the latest of them
  #named = new Set(); // ids of those that the answer to an entry has named, the latest of them

  constructor(session) {
    super();
    this.#session = session;
    this.#place = `chat4all.unsent.${session.username}`;
    const kept = JSON.parse(sessionStorage.getItem(this.#place) ?? "[]");
    this.#entries = kept.map((one) => (one.state === "sending" ? { ...one, state: "waiting" } : one));
  }

  /** Those of one conversation, or all, in their order. */
  entries(conversationId = null) {
    return this.#entries.filter((one) => conversationId === null || one.conversation === conversationId);
  }

  /** How many are not accepted yet. */
  get unsent() {
    return this.#entries.filter((one) => one.state !== "accepted").length;
  }

  /** `after`: the newest seq that its writer had seen. */
  post(conversationId, content, replyTo, after) {
    const body = { chat_id: conversationId, content, ...(replyTo && { reply_to: replyTo }) };
    this.#add({ kind: "message", conversation: conversationId, method: "POST", path: "/v1/messages", body, after });
  }

  edit(row, content) {
    this.#change("edit", row, "PATCH", { content });
  }

  delete(row) {
    this.#change("delete", row, "DELETE", null);
  }

  /** Send what waits, now. */
  kick() {
    for (const wake of this.#wake) wake();
    for (const id of new Set(this.#entries.map((one) => one.conversation))) this.#pump(id);
  }

  /** Try one again that was refused. */
  retry(entry) {
    this.#becomes(entry, { state: "waiting", reason: null });
    this.#pump(entry.conversation);
  }

  discard(entry) {
    this.#entries = this.#entries.filter((one) => one !== entry);
    this.#keep(entry.conversation);
  }

  /** One's own message of this id stands in the conversation now. It may come before the answer that names it. */
  settled(messageId) {
    remember(this.#arrived, messageId);
    const entry = this.#entries.find((one) => one.messageId === messageId);
    if (entry) this.discard(entry);
  }

  /** Whether the message of this id is known to be that of an entry: then it is no other entry's. */
  named(messageId) {
    return this.#named.has(messageId);
  }

  #change(kind, row, method, body) {
    const path = `/v1/messages/${row.message_id}`;
    this.#add({ kind, conversation: row.conversation_id, method, path, body, target: row.message_id });
  }

  #add(entry) {
    this.#entries.push({ key: newKey(), at: new Date().toISOString(), state: "waiting", reason: null, tries: 0, ...entry });
    this.#keep(entry.conversation);
    this.#pump(entry.conversation);
  }

  /** One after the other, so that they are accepted in the order in which they were written. */
  async #pump(conversationId) {
    if (this.#pumping.has(conversationId)) return;
    this.#pumping.add(conversationId);
    try {
      let failures = 0;
      for (let entry; (entry = this.#next(conversationId)); ) {
        const wait = await this.#send(entry);
        failures = wait === null ? 0 : failures + 1;
        if (wait !== null) await this.#sleep(wait || Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1)));
      }
    } finally {
      this.#pumping.delete(conversationId);
    }
  }

  #next(conversationId) {
    return this.#entries.find((one) => one.conversation === conversationId && one.state === "waiting");
  }

  /** Null where something was decided; else the ms to wait, nought where nobody said how long. */
  async #send(entry) {
    this.#becomes(entry, { state: "sending" });
    try {
      const { body } = await this.#session.call(entry.method, entry.path, { body: entry.body, key: entry.key });
      if (entry.kind === "message") remember(this.#named, body.message_id);
      const comes = entry.kind === "message" && !this.#arrived.has(body.message_id);
      if (comes) this.#becomes(entry, { state: "accepted", messageId: body.message_id });
      else this.discard(entry);
      return null;
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      return this.#failed(entry, error);
    }
  }

  #failed(entry, error) {
    const passes = error.passes || error.status === 401;
    const later = passes || (error.wait !== null && entry.tries < NOT_YET);
    const change = later ? { state: "waiting" } : { state: "refused", reason: error.message };
    this.#becomes(entry, passes ? change : { ...change, tries: entry.tries + 1 });
    return later ? (error.wait ?? (error.status === 401 ? LONGEST_WAIT : 0)) : null;
  }

  #becomes(entry, change) {
    Object.assign(entry, change);
    this.#keep(entry.conversation);
  }

  /** For good: what is not sent is not wanted any more. */
  close() {
    this.#closed = true;
    this.#entries = [];
  }

  #keep(conversationId) {
    if (this.#closed) return;
    try {
      sessionStorage.setItem(this.#place, JSON.stringify(this.#entries));
    } catch (error) {
      console.warn("What is unsent would not survive a reload:", error); // the tab's storage is full; memory holds it
    }
    this.dispatchEvent(new CustomEvent("changed", { detail: { id: conversationId } }));
  }

  #sleep(milliseconds) {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wake.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, milliseconds);
      this.#wake.add(wake);
    });
  }
}

function remember(ids, id) {
  ids.add(id);
  if (ids.size > REMEMBERED) ids.delete(ids.values().next().value);
}
