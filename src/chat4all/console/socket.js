// The WebSocket (docs/websocket.md): connects with ?resume=1, says how far we are, comes back by itself.

const FIRST_WAIT = 500; // ms until the first new try; doubles, with jitter, up to
const LONGEST_WAIT = 10_000;
const LOOK = 15_000; // ms between two looks whether the connection still lives

/**
 * Events: `frame` (detail: the frame), `state` (detail: {state, at}). States: connecting; open, once everything that
 * was missed is here; lost (`at`: when it is tried again, ms since 1970); expired, when the token is worth nothing.
 */
export class Socket extends EventTarget {
  #session;
  #cursors;
  #socket = null;
  #timer = null;
  #look = null;
  #failures = 0;
  #answered = true;
  state = "closed";

  /** `cursors`: a function that gives the highest seq that we have, by conversation. */
  constructor(session, cursors) {
    super();
    this.#session = session;
    this.#cursors = cursors;
    window.addEventListener("online", () => this.state === "lost" && this.connect());
    window.addEventListener("offline", () => this.#socket && this.#lose());
  }

  /** Connect now. */
  connect() {
    this.#drop();
    this.#become("connecting");
    const url = new URL("ws", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = "resume=1";
    const socket = new WebSocket(url, ["chat4all", `bearer.${this.#session.token}`]);
    this.#socket = socket;
    socket.onopen = () => this.say({ type: "resume", cursors: this.#cursors() });
    socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
    socket.onclose = (event) => this.#closed(event.code);
    this.#answered = true;
    this.#look = setInterval(() => this.#check(), LOOK);
  }

  /** Say something; false where there is no connection: what must not be lost goes by REST. */
  say(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** End it for good. */
  close() {
    this.#drop();
    this.#become("closed");
  }

  #hear(frame) {
    this.#answered = true;
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
    if (frame.type !== "resume") return;
    this.#failures = 0;
    this.#become("open");
  }

  #closed(code) {
    if (code === 4401) {
      this.#drop();
      this.#become("expired");
      this.#session.expire();
    } else this.#lose();
  }

  /** A connection that broke without a word looks open: nothing came since the last look, not even a pong. */
  #check() {
    if (!this.#answered || this.#socket.readyState === WebSocket.CONNECTING) this.#lose();
    else this.#answered = !this.say({ type: "ping" });
  }

  #lose() {
    this.#drop();
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures++);
    const wait = longest * (0.5 + Math.random() / 2);
    this.#timer = setTimeout(() => this.connect(), wait);
    this.#become("lost", Date.now() + wait);
  }

  #drop() {
    clearTimeout(this.#timer);
    clearInterval(this.#look);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #become(state, at = null) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, at } }));
  }
}
