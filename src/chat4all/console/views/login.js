// The page of whoever is not logged in; and, over the console, of whoever's session has ended.

import { element } from "../element.js";
import { AnswerError, ask } from "../rest.js";
import { t } from "../texts.js";

/** Resolves once somebody is logged in. `session` is the one to log in. */
export async function logIn(session) {
  const { body } = await ask("GET", "/console/welcome.json").catch(() => ({ body: { demo: [], registration: "admins" } }));
  const form = new LoginForm(session, { open: body.registration === "open", prefilled: fromAddress() });
  const page = element("main", { class: "login" }, brand(), form.root, demo(body.demo, form));
  document.body.append(page);
  form.focus();
  await form.done;
  page.remove();
}

/** Ask whoever was logged in for the password again. Resolves once they are; the rest of the page stays as it was. */
export async function logInAgain(session, onLogOut) {
  const form = new LoginForm(session, { open: false, prefilled: session.username, fixed: true });
  const out = element("button", { type: "button", class: "link", on: { click: onLogOut } }, t("logOut"));
  const dialog = element(
    "dialog",
    { class: "dialog login-again", aria: { label: t("logIn") }, on: { cancel: (event) => event.preventDefault() } },
    element("p", {}, t("logInAgain")),
    form.root,
    out,
  );
  // Chromium lets a second Escape close it whatever is prevented: it comes back until it has done its work.
  const again = () => dialog.showModal();
  dialog.addEventListener("close", again);
  document.body.append(dialog);
  dialog.showModal();
  form.focus();
  await form.done;
  dialog.removeEventListener("close", again);
  dialog.close();
  dialog.remove();
}

class LoginForm {
  #session;
  #resolve;
  #registering = false;

  constructor(session, { open, prefilled, fixed = false }) {
    this.#session = session;
    this.done = new Promise((resolve) => (this.#resolve = resolve));
    const name = { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: 64 };
    this.username = element("input", { id: "username", required: true, value: prefilled, readonly: fixed, dir: "auto", ...name });
    this.password = element("input", { id: "password", type: "password", required: true, maxlength: 256, autocomplete: "current-password" });
    this.hint = element("small", { id: "password-hint", hidden: true }, t("passwordHint"));
    this.error = element("p", { class: "error", role: "alert" });
    this.submit = element("button", { class: "primary" }, t("logIn"));
    this.other = element("button", { type: "button", class: "link", on: { click: () => this.#switch() } }, t("registerInstead"));
    this.root = element(
      "form",
      { on: { submit: (event) => this.#onSubmit(event) } },
      element("label", { for: "username" }, t("username")),
      this.username,
      element("label", { for: "password" }, t("password")),
      this.password,
      this.hint,
      this.error,
      this.submit,
      open && this.other,
    );
  }

  focus() {
    (this.username.value ? this.password : this.username).focus();
  }

  /** Log in with this name and password. */
  async enter(username, password) {
    this.error.textContent = "";
    this.submit.disabled = true;
    try {
      if (this.#registering) await this.#session.register(username, password);
      else await this.#session.logIn(username, password);
      this.#resolve();
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      this.error.textContent = error.status === 0 ? t("noAnswer") : error.message;
      this.password.select();
    } finally {
      this.submit.disabled = false;
    }
  }

  #onSubmit(event) {
    event.preventDefault();
    this.enter(this.username.value.trim(), this.password.value);
  }

  #switch() {
    this.#registering = !this.#registering;
    this.submit.textContent = t(this.#registering ? "register" : "logIn");
    this.other.textContent = t(this.#registering ? "logInInstead" : "registerInstead");
    this.password.autocomplete = this.#registering ? "new-password" : "current-password";
    this.password.minLength = this.#registering ? 8 : 0;
    this.hint.hidden = !this.#registering;
    this.error.textContent = "";
    this.focus();
  }
}

function brand() {
  const picture = element("img", { src: "console/icon.svg", alt: "", width: 56, height: 56 });
  return element("header", {}, picture, element("h1", {}, "Chat4All"), element("p", {}, t("tagline")));
}

/** The users of embedded mode, whose password everyone knows: a click each. */
function demo(users, form) {
  if (!users.length) return null;
  const buttons = users.map(({ username, password }) =>
    element(
      "button",
      { type: "button", class: "secondary", aria: { label: t("demoAs", { name: username }) }, on: { click: () => form.enter(username, password) } },
      username,
    ),
  );
  return element("section", { class: "demo", aria: { label: t("demoUsers") } }, element("p", {}, t("demoUsers")), ...buttons);
}

/** `#as=bruno` in the address: the name that a link suggested. */
function fromAddress() {
  const name = new URLSearchParams(location.hash.slice(1)).get("as") ?? "";
  return name.slice(0, 64);
}
