// What the page says of itself: whether it is connected, and short notices.

import { element } from "../element.js";
import { t } from "../texts.js";

const NOTICE = 4000; // ms

/** The line over everything while the connection is lost; `onTry` is called by its button. */
export class Banner {
  #text = element("span", {});
  #again = element("span", { class: "again", aria: { hidden: "true" } });
  #timer = null;
  #lost = false;

  constructor(onTry) {
    const button = element("button", { type: "button", class: "link", on: { click: onTry } }, t("tryNow"));
    this.bar = element("div", { class: "banner", hidden: true }, this.#text, this.#again, button);
    // The region stands there from the beginning: what appears together with its text is not read out.
    this.root = element("div", { role: "status", class: "banner-place" }, this.bar);
    this.notices = element("div", { role: "status", class: "notices" });
  }

  /** A state of the socket's; `at`: when it tries again. */
  show(state, at) {
    clearInterval(this.#timer);
    if (state === "open" && this.#lost) this.notice(t("back_online"));
    if (state === "open" || state === "closed" || state === "expired") this.#lost = false;
    if (state === "lost") this.#lost = true;
    this.bar.hidden = !this.#lost;
    if (!this.#lost) return;
    this.#text.textContent = t(navigator.onLine ? "lost" : "offlineNow");
    this.#count(at);
    if (at) this.#timer = setInterval(() => this.#count(at), 1000);
  }

  /** Something to know for a moment. */
  notice(text) {
    const shown = element("p", { class: "notice" }, text);
    this.notices.append(shown);
    setTimeout(() => shown.remove(), NOTICE);
  }

  #count(at) {
    const seconds = at ? Math.ceil((at - Date.now()) / 1000) : 0;
    this.#again.textContent = seconds > 0 ? t("lostAgain", { seconds }) : t("lostTrying");
  }
}
