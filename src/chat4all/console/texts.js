// What the console says, in the first of the browser's languages that it knows. A new language: a file in texts/.

import { en } from "./texts/en.js";
import { pt } from "./texts/pt.js";

const LANGUAGES = { en, pt };

const preferred = navigator.languages.find((tag) => tag.slice(0, 2).toLowerCase() in LANGUAGES) ?? "en";
const texts = LANGUAGES[preferred.slice(0, 2).toLowerCase()];

/** The language tag in use, with the browser's own region for times and numbers. */
export const language = preferred;

document.documentElement.lang = preferred;

const plural = new Intl.PluralRules(preferred);

/** Whether there is a text of this name. */
export function known(name) {
  return name in texts;
}

/** The text of this name. `{n}` in it is replaced; a text with forms is chosen by `count`. Throws for an unknown name. */
export function t(name, values = {}) {
  let text = texts[name];
  if (text === undefined) throw new Error(`no text ${name}`);
  if (typeof text === "object") text = text[plural.select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
}
