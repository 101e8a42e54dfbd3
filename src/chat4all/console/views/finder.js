// Finding people to begin a conversation with: one by a click, several by ticking them.

import { avatar, element, words } from "../element.js";
import { whenUp } from "../pointer.js";
import { AnswerError } from "../rest.js";
import { t } from "../texts.js";
import * as dialogs from "./dialogs.js";

const PAUSE = 150; // ms without a key until it is searched
const SHOWN = 20; // people

/**
 * Open the dialog, at once. `agent`: a promise of whether the beginning of a name is enough; `onChosen` gets the user
 * names.
 */
export function open(session, { agent, onChosen }) {
  const finder = new Finder(session, onChosen);
  finder.open();
  agent.then((is) => is && finder.suggest());
}

class Finder {
  #session;
  #agent = false;
  #onChosen;
  #chosen = new Set();
  #found = [];
  #timer = null;
  #turn = 0;
  #beginning = false;
  #close = null;

  constructor(session, onChosen) {
    this.#session = session;
    this.#onChosen = onChosen;
    this.input = element("input", {
      id: "find", type: "search", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 64, autofocus: true,
      aria: { describedby: "find-hint" }, on: { input: () => this.#soon(), keydown: (event) => this.#onKey(event) },
    });
    this.hint = element("small", { id: "find-hint" }, t("findHintUser"));
    this.results = element("ul", { class: "people" });
    this.said = element("p", { class: "quiet", role: "status" });
    this.start = element("button", { type: "button", class: "primary", hidden: true, on: { click: () => this.#begin([...this.#chosen]) } });
  }

  open() {
    const label = element("label", { for: "find" }, t("username"));
    const content = [label, this.input, this.hint, this.results, this.said, this.start];
    this.#close = dialogs.open(t("findPeople"), content).close;
  }

  /** To an agent: people before anything is written, and all whose name begins with what is. */
  suggest() {
    this.#agent = true;
    this.hint.textContent = t("findHintAgent");
    this.#search();
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#search(), PAUSE);
  }

  async #search() {
    const query = this.input.value.trim().toLowerCase();
    const turn = ++this.#turn; // an answer that comes after a later one was asked for is not shown
    if (!query && !this.#agent) return this.#show([], "");
    try {
      const { body } = await this.#session.call("GET", `/v1/users?limit=${SHOWN}&q=${encodeURIComponent(query)}`);
      const others = body.map((one) => one.username).filter((name) => name !== this.#session.username);
      if (turn === this.#turn) this.#show(others, others.length ? "" : t(this.#agent ? "nobodyFound" : "nobodyFoundUser"));
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      if (turn === this.#turn) this.#show([], error.status ? error.message : t("noAnswer"));
    }
  }

  #show(names, said) {
    whenUp(() => this.#draw(names, said));
  }

  #draw(names, said) {
    this.#found = names;
    this.said.textContent = said;
    this.results.replaceChildren(...[...new Set([...this.#chosen, ...names])].map((name) => this.#person(name)));
  }

  #person(name) {
    const tick = element("input", { type: "checkbox", aria: { label: t("addToGroup", { name }) }, on: { change: () => this.#tick(name) } });
    tick.checked = this.#chosen.has(name);
    const chat = element(
      "button",
      { type: "button", class: "person", aria: { label: t("chatWith", { name }) }, on: { click: () => this.#click(name, tick) } },
      avatar(name),
      words(name),
    );
    return element("li", {}, tick, chat);
  }

  /** One click is enough for one person; once somebody is ticked, it is a group that is being made. */
  #click(name, tick) {
    if (!this.#chosen.size) return this.#begin([name]);
    tick.checked = !tick.checked;
    return this.#tick(name);
  }

  #tick(name) {
    if (!this.#chosen.delete(name)) this.#chosen.add(name);
    this.start.hidden = this.#chosen.size === 0;
    this.start.textContent = t("startGroup", { count: this.#chosen.size });
  }

  #onKey(event) {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      event.preventDefault(); // it would only empty the box
      this.#close();
    }
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (this.#chosen.size) this.#begin([...this.#chosen]);
    else if (this.#found.length) this.#begin([this.#found[0]]);
  }

  async #begin(names) {
    if (this.#beginning) return; // a double click is one wish
    this.#beginning = true;
    try {
      await this.#onChosen(names);
      this.#close();
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      this.said.textContent = error.status ? error.message : t("noAnswer");
    } finally {
      this.#beginning = false;
    }
  }
}
