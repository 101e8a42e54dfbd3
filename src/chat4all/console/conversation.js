// One conversation as this page knows it: its head, the rows that were loaded (without holes up to the newest), who is
// how far. Pure data: no requests, no elements.

const ORDER = ["failed", "accepted", "sent", "delivered", "read"]; // as in model/delivery.py, the worst first
const CONTACT = "contact-"; // how the names of people begin who are on other channels only: model/ids.py
const KEPT = 200; // rows that stay in memory while it is not looked at

export class Conversation {
  rows = new Map(); // seq → row
  first = null; // the lowest seq that is loaded; null: nothing is
  names = {}; // username → what they are called, where that is something else
  cursors = {}; // username → {delivered_seq, read_seq}
  watched = false; // it is looked at
  typing = new Map(); // username → when they last said so, ms
  #seqs = new Map(); // message id → seq
  #joined = new Map(); // username → the seq at which they came in, as far as what is loaded says
  #counted = 0; // unread messages are counted up to this seq
  #stale = false; // more was missed than is pushed: preview and count are to be read again
  #epoch = 0; // of what is loaded: a page that was asked for in an earlier one would leave a hole
  #changes = []; // edits and deletes that came while a page was on its way: the page may be older than they are
  #loading = 0;

  constructor(me, listed) {
    this.me = me;
    this.id = listed.conversation_id;
    this.type = listed.type;
    this.lastSeq = listed.last_seq;
    this.readSeq = listed.read_seq;
    this.#head(listed);
    this.update(listed);
  }

  /** Take over what a list of conversations says, but nothing of the head that the socket will say in its turn. */
  update(listed) {
    this.members = listed.members;
    this.metadata = listed.metadata;
    this.names = { ...this.names, ...listed.names };
    this.#readUpTo(listed.read_seq);
    if (this.#stale && listed.last_seq >= this.lastSeq) this.#head(listed);
  }

  #head(listed) {
    this.lastAt = listed.last_at;
    this.preview = listed.preview;
    // What this page has read since, the list may not count as read yet.
    const behind = listed.read_seq < this.readSeq;
    this.unread = behind ? Math.max(0, Math.min(listed.unread, listed.last_seq - this.readSeq)) : listed.unread;
    this.#counted = listed.last_seq;
    this.#stale = false;
  }

  /** Everyone but oneself. */
  get others() {
    return this.members.filter((member) => member !== this.me);
  }

  get title() {
    return this.metadata.title || this.others.map((one) => this.name(one)).join(", ") || this.me;
  }

  /** Whether somebody can log in: contacts cannot. */
  hasApp(user) {
    return !user.startsWith(CONTACT);
  }

  /** What somebody is called. */
  name(user) {
    return this.names[user] ?? user;
  }

  get loaded() {
    return this.first !== null || this.lastSeq === 0;
  }

  /** Whether there is nothing before what is loaded. */
  get complete() {
    return this.first === 1 || this.lastSeq === 0;
  }

  /** The message of this id, if it is loaded. */
  row(messageId) {
    return this.rows.get(this.#seqs.get(messageId)) ?? null;
  }

  /** A page is asked for; `took` or `failed`, given what this gives, ends that. */
  loads() {
    this.#loading += 1;
    return this.#epoch;
  }

  /** Rows of a page, by rising seq; dropped where what is loaded was let go of meanwhile. */
  took(page, epoch) {
    if (epoch !== this.#epoch) {
      this.failed();
      return;
    }
    for (const row of page) this.#keep({ ...row, timestamp: row.created_at ?? row.timestamp });
    if (page.length) this.first = Math.min(this.first ?? Infinity, page[0].seq);
    for (const frame of this.#changes) this.#change(frame);
    this.failed();
  }

  failed() {
    this.#loading -= 1;
    if (this.#loading === 0) this.#changes = [];
  }

  /** A frame of a seq. False for one that we have. */
  take(frame) {
    if (frame.seq <= this.lastSeq) return false;
    if (frame.seq > this.lastSeq + 1) this.missed(frame.seq - 1);
    this.lastSeq = frame.seq;
    this.lastAt = frame.timestamp;
    if (this.first !== null || this.#loading > 0 || frame.seq === 1) this.#keep(frame);
    if (!this.watched) this.shrink();
    if (frame.seq === 1) this.first = 1;
    if (frame.type === "message") this.#message(frame);
    else if (frame.type === "members") this.#membersChanged(frame);
    else {
      if (this.#loading > 0) this.#changes.push(frame);
      this.#change(frame);
    }
    return true;
  }

  /** Somebody is further; the larger numbers count. */
  receive(user, { delivered_seq, read_seq }) {
    const known = this.cursors[user] ?? { delivered_seq: 0, read_seq: 0 };
    this.cursors[user] = {
      delivered_seq: Math.max(known.delivered_seq, delivered_seq),
      read_seq: Math.max(known.read_seq, read_seq),
    };
    if (user === this.me) this.#readUpTo(this.cursors[user].read_seq);
  }

  /** Everything up to here has been read, on this device or another one. */
  #readUpTo(seq) {
    if (seq <= this.readSeq) return;
    this.readSeq = seq;
    if (seq >= this.lastSeq) this.unread = 0;
    else if (this.first !== null && this.first <= seq + 1) {
      const above = [...this.rows.values()].filter((row) => row.seq > seq && row.type === "message");
      this.unread = above.filter((row) => row.sender_id !== this.me).length;
    } else this.unread = Math.min(this.unread, this.lastSeq - seq);
  }

  /** What became of one's own message: the least over everyone who was there when it was said. */
  status(row) {
    const there = this.others.filter((member) => (this.#joined.get(member) ?? 0) < row.seq);
    // How far it got with somebody who has no app, only the server knows.
    if (!there.every(this.hasApp)) return row.status ?? "accepted";
    const states = there.map((member) => this.#state(member, row.seq));
    const derived = states.length ? ORDER[Math.min(...states)] : "sent";
    const told = row.status ?? "sent"; // by the server, when the page was read
    return ORDER.indexOf(derived) > ORDER.indexOf(told) ? derived : told;
  }

  /** What the server says of one message now: its status, and on which channels of whom it has failed. */
  told({ message_id: messageId, status, recipients }) {
    const row = this.row(messageId);
    if (!row) return;
    const failures = recipients.flatMap(({ username, channels }) => channels.filter((way) => way.status === "failed").map((way) => ({ who: this.name(username), ...way })));
    this.rows.set(row.seq, { ...row, status, failures });
  }

  /** Let go of all but the newest rows. */
  shrink() {
    if (this.first === null || this.lastSeq - this.first < 2 * KEPT) return;
    this.#epoch += 1;
    const first = this.lastSeq - KEPT + 1;
    for (const [seq, row] of this.rows) {
      if (seq >= first) continue;
      this.rows.delete(seq);
      this.#seqs.delete(row.message_id);
    }
    this.first = first;
  }

  /** Everything up to this seq was missed: what is loaded would have a hole, so it is loaded anew. */
  missed(seq) {
    this.#epoch += 1;
    this.rows.clear();
    this.#seqs.clear();
    this.#joined.clear();
    this.first = null;
    this.lastSeq = Math.max(this.lastSeq, seq);
    this.#stale = true;
  }

  #keep(row) {
    this.rows.set(row.seq, row);
    if (row.type === "message") this.#seqs.set(row.message_id, row.seq);
    if (row.type === "members") {
      for (const user of row.added) this.#joined.set(user, Math.max(row.seq, this.#joined.get(user) ?? 0));
    }
  }

  #state(member, seq) {
    const cursor = this.cursors[member];
    if ((cursor?.read_seq ?? 0) >= seq) return ORDER.indexOf("read");
    return ORDER.indexOf((cursor?.delivered_seq ?? 0) >= seq ? "delivered" : "sent");
  }

  #message(frame) {
    this.typing.delete(frame.sender_id);
    this.preview = { ...frame, deleted: frame.deleted_at !== null };
    if (frame.sender_id !== this.me && frame.seq > Math.max(this.readSeq, this.#counted)) this.unread = Math.min(100, this.unread + 1);
  }

  #membersChanged(frame) {
    const stay = this.members.filter((member) => !frame.removed.includes(member));
    this.members = [...stay, ...frame.added.filter((member) => !stay.includes(member))];
  }

  #change(frame) {
    const gone = frame.type === "delete" || frame.deleted_at !== null;
    const change = gone
      ? { content: "", deleted_at: frame.deleted_at ?? frame.timestamp }
      : { content: frame.content, edited_at: frame.timestamp };
    const target = this.rows.get(frame.target_seq);
    if (target) this.rows.set(target.seq, { ...target, ...change });
    if (this.preview?.seq === frame.target_seq) this.preview = { ...this.preview, content: change.content, deleted: gone };
  }
}
