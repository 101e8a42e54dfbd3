// Who is logged in, in this tab alone: the token stands in sessionStorage, which no other tab sees and which goes with it.

import { AnswerError, ask } from "./rest.js";

const PLACE = "chat4all.session";

export class Session extends EventTarget {
  #held = JSON.parse(sessionStorage.getItem(PLACE) ?? "null");

  /** The user name; null where nobody is logged in. */
  get username() {
    return this.#held?.username ?? null;
  }

  get token() {
    return this.#held?.token ?? null;
  }

  /** Raises AnswerError with the server's own sentence. */
  async logIn(username, password) {
    const answer = await ask("POST", "/token", { form: { username, password } });
    this.#held = { username, token: answer.body.access_token };
    sessionStorage.setItem(PLACE, JSON.stringify(this.#held));
  }

  /** Make a user, then log them in. Raises AnswerError. */
  async register(username, password) {
    await ask("POST", "/v1/users", { body: { username, password } });
    await this.logIn(username, password);
  }

  /** A request of this user. Raises AnswerError; at 401 the session has expired, which is told to whoever listens. */
  async call(method, path, options = {}) {
    const token = this.token;
    try {
      return await ask(method, path, { ...options, token });
    } catch (error) {
      if (error instanceof AnswerError && error.status === 401 && token === this.token) this.expire();
      throw error;
    }
  }

  /** The token is worth nothing any more; the name stays, so that the same person can log in again. */
  expire() {
    this.dispatchEvent(new Event("expired"));
  }

  /** Forget everything that this tab keeps of this user. */
  logOut() {
    this.#held = null;
    sessionStorage.clear();
  }
}
