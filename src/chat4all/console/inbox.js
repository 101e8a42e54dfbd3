// All conversations of the one who is logged in, kept current by what the socket says.

import { Conversation } from "./conversation.js";
import { AnswerError, newKey } from "./rest.js";

const PAGE = 100; // rows
const LISTED = 200; // conversations on a page
const RESUMED = 10_000; // cursors that a resume may name
const WAITING = 1000; // frames; the list and what is loaded make up for those that go
const CHECKED_AFTER = 150; // ms for which messages are gathered that the server is asked about
const CHECKED = 20; // messages of a conversation that are asked about after the line was lost
const ACKED_AFTER = 150; // ms for which acknowledgements are gathered

/**
 * Events: `changed` (detail: {id, row}: a conversation, and its new row, if that is what changed), `gone` (detail: {id}),
 * `presence` (detail: {user}), `typing` (detail: {id}). `people`: what is known of others: username → status.
 */
export class Inbox extends EventTarget {
  conversations = new Map();
  people = new Map();
  channels = new Map(); // a channel's name → what it is called
  seen = new Map(); // username → when they were last here, where that is known
  socket = null;
  #session;
  #acks = new Map(); // conversation id → seq
  #timer = null;
  #refreshing = false;
  #wanted = false;
  #checks = new Map(); // message id → conversation
  #checking = null;
  #keys = new Map(); // people → the key under which their conversation is being made
  #waiting = new Map(); // conversation id → frames that came before the list knew of it

  constructor(session) {
    super();
    this.#session = session;
  }

  get me() {
    return this.#session.username;
  }

  /** By last activity. */
  get sorted() {
    const latest = (one) => `${one.lastAt}\n${one.id}`;
    return [...this.conversations.values()].sort((a, b) => (latest(a) < latest(b) ? 1 : -1));
  }

  get unread() {
    let count = 0;
    for (const one of this.conversations.values()) count += one.unread;
    return count;
  }

  cursors() {
    return Object.fromEntries(this.sorted.slice(0, RESUMED).map((one) => [one.id, one.lastSeq]));
  }

  /** Read the list of conversations, all pages of it or (`latest`) the first one. Raises AnswerError. */
  async refresh({ latest = false } = {}) {
    if (!this.channels.size) for (const one of (await this.#session.call("GET", "/v1/channels")).body) this.channels.set(one.name, one.title);
    let next = `/v1/conversations?limit=${LISTED}`;
    while (next) {
      const page = await this.#session.call("GET", next);
      for (const listed of page.body) this.#known(listed);
      next = latest ? null : page.next;
    }
  }

  /** The conversation with these people: the one that there is, or a new one. Raises AnswerError. */
  async with(usernames) {
    const wanted = [...new Set([this.me, ...usernames])].sort().join();
    const same = (one) => !one.metadata.title && [...one.members].sort().join() === wanted;
    const found = this.sorted.find(same);
    if (found) return found;
    const type = usernames.length > 1 ? "group" : "private";
    // One key for these people until there is a conversation: asked for twice, it is made once.
    const key = this.#keys.get(wanted) ?? newKey();
    this.#keys.set(wanted, key);
    const { body } = await this.#session.call("POST", "/v1/conversations", { body: { type, members: [...usernames].sort() }, key });
    this.#keys.delete(wanted);
    const empty = { last_seq: 0, last_at: body.created_at, preview: null, unread: 0, read_seq: 0 };
    this.#known({ ...empty, ...body });
    this.#refreshSoon(); // says who is there
    return this.conversations.get(body.conversation_id);
  }

  /** Load the newest rows, or those before what is loaded. False where there is nothing more. Raises AnswerError. */
  async load(conversation) {
    if (conversation.complete) return false;
    const before = conversation.first === null ? "" : `&before_seq=${conversation.first}`;
    const path = `/v1/conversations/${conversation.id}/messages?kinds=all&limit=${PAGE}${before}`;
    const epoch = conversation.loads();
    try {
      const { body } = await this.#session.call("GET", path);
      conversation.took(body, epoch);
      for (const row of body) if (row.status === "failed" && row.sender_id === this.me) this.#check(conversation, row.message_id);
      return true;
    } catch (error) {
      conversation.failed();
      if (error instanceof AnswerError && error.status === 404) this.#drop(conversation);
      throw error;
    }
  }

  /** Say that everything up to the newest was read. */
  read(conversation) {
    const seq = conversation.lastSeq;
    if (seq <= conversation.readSeq || !this.socket.say({ type: "read", conversation_id: conversation.id, seq })) return;
    conversation.receive(this.me, { delivered_seq: seq, read_seq: seq });
    this.#tell("changed", { id: conversation.id });
  }

  /** Send again what of one's own message has failed. Raises AnswerError. */
  async resend(conversation, row) {
    await this.#session.call("POST", `/v1/messages/${row.message_id}/retry`, { key: newKey() });
    this.#check(conversation, row.message_id);
  }

  /** A frame of the socket's. */
  hear(frame) {
    const conversation = this.conversations.get(frame.conversation_id);
    if (frame.seq !== undefined && frame.type !== "error") this.#take(frame, conversation);
    else if (frame.type === "resume") this.#resumed(frame);
    else if (frame.type === "resync") this.#resync(conversation, frame.to);
    else if (frame.type === "presence") this.#present(frame.user_id, frame.status, frame.timestamp);
    else if (frame.type === "receipt" && conversation) {
      conversation.receive(frame.user_id, frame);
      this.#tell("changed", { id: conversation.id });
    } else if (frame.type === "delivery" && conversation?.row(frame.message_id)?.sender_id === this.me) {
      this.#check(conversation, frame.message_id);
    } else if (frame.type === "typing" && conversation) {
      conversation.typing.set(frame.user_id, Date.now());
      this.#tell("typing", { id: conversation.id });
    }
  }

  #take(frame, conversation) {
    if (!conversation) {
      this.#strange(frame);
      return;
    }
    if (!conversation.take(frame)) return;
    if (frame.type === "message" && frame.sender_id !== this.me) this.#acknowledge(conversation.id, frame.seq);
    this.#tell("changed", { id: conversation.id, row: frame });
  }

  /** A frame of a conversation that the list will name: it waits for that. */
  #strange(frame) {
    const waiting = this.#waiting.get(frame.conversation_id) ?? [];
    this.#waiting.set(frame.conversation_id, [...waiting.slice(-WAITING), frame]);
    this.#refreshSoon();
  }

  #resumed({ cursors }) {
    for (const one of this.conversations.values()) {
      const users = cursors[one.id] ?? {};
      this.#sayAgain(one, users[this.me]);
      for (const [user, cursor] of Object.entries(users)) one.receive(user, cursor);
      const open = [...one.rows.values()].filter((row) => row.sender_id === this.me && row.type === "message" && one.status(row) === "accepted");
      for (const row of open.slice(-CHECKED)) this.#check(one, row.message_id);
      this.#tell("changed", { id: one.id });
    }
    this.#refreshSoon(); // who is here now, and conversations that nothing was said in yet
  }

  /** What was said on a line that broke, the server may not have heard. `known`: how far it says that we are. */
  #sayAgain(conversation, known) {
    const { id: conversation_id, readSeq: seq, lastSeq, unread } = conversation;
    if (seq > (known?.read_seq ?? 0)) this.socket.say({ type: "read", conversation_id, seq });
    if (unread && (known?.delivered_seq ?? 0) < lastSeq) this.#acknowledge(conversation_id, lastSeq);
  }

  #resync(conversation, to) {
    if (!conversation) return;
    conversation.missed(to);
    this.#tell("changed", { id: conversation.id });
    this.#refreshSoon();
  }

  /** Read the beginning of the list again; whoever asks while that goes on gets one more, not one each. */
  async #refreshSoon() {
    this.#wanted = true;
    if (this.#refreshing) return;
    this.#refreshing = true;
    try {
      while (this.#wanted) {
        this.#wanted = false;
        await this.refresh({ latest: true });
      }
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error; // the connection says by itself that it is lost
    } finally {
      this.#refreshing = false;
    }
  }

  #known(listed) {
    const id = listed.conversation_id;
    if (this.conversations.has(id)) this.conversations.get(id).update(listed);
    else {
      this.conversations.set(id, new Conversation(this.me, listed));
      if (listed.unread) this.#acknowledge(id, listed.last_seq);
      const waiting = this.#waiting.get(id) ?? [];
      this.#waiting.delete(id);
      for (const frame of waiting) this.#take(frame, this.conversations.get(id));
    }
    if (listed.present) for (const one of listed.members) this.#status(one, listed.present[one] ?? "offline");
    this.#tell("changed", { id });
  }

  #drop(conversation) {
    this.conversations.delete(conversation.id);
    this.#tell("gone", { id: conversation.id });
  }

  #present(user, status, at) {
    if (status === "offline") this.seen.set(user, at);
    this.#status(user, status);
  }

  #status(user, status) {
    if (this.people.get(user) === status) return;
    this.people.set(user, status);
    this.#tell("presence", { user });
  }

  /** Ask what became of a message, once for all that is heard of it in a moment. */
  #check(conversation, messageId) {
    this.#checks.set(messageId, conversation);
    this.#checking ??= setTimeout(() => this.#ask(), CHECKED_AFTER);
  }

  async #ask() {
    const asked = [...this.#checks];
    this.#checks.clear();
    this.#checking = null;
    for (const [messageId, conversation] of asked) {
      try {
        conversation.told((await this.#session.call("GET", `/v1/messages/${messageId}`)).body);
        this.#tell("changed", { id: conversation.id });
      } catch (error) {
        if (!(error instanceof AnswerError)) throw error; // it is asked about again when the line is back, or in its details
      }
    }
  }

  #acknowledge(conversationId, seq) {
    this.#acks.set(conversationId, Math.max(seq, this.#acks.get(conversationId) ?? 0));
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      for (const [id, last] of this.#acks) this.socket.say({ type: "ack", conversation_id: id, seq: last });
      this.#acks.clear();
    }, ACKED_AFTER);
  }

  #tell(event, detail) {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }
}
