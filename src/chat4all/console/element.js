// Making and changing elements. Text goes in as text only: nothing here, or anywhere in the console, parses HTML.

/**
 * A new element. `properties`: class, dataset, on (listeners by event), aria (attributes without the prefix), and
 * otherwise attributes; what is null, undefined or false is left out, true is an attribute without a value.
 * `children`: nodes and strings, what is null or false is left out.
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(made, name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

function set(made, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
  else if (name === "dataset") Object.assign(made.dataset, value);
  else if (name === "aria") for (const [key, text] of Object.entries(value)) set(made, `aria-${key}`, text);
  else made.setAttribute(name, value === true ? "" : String(value));
}

/** Text from a person: its own direction, and what it does to the text around it ends with it. */
export function words(text, properties = {}) {
  return element("bdi", { dir: "auto", ...properties }, text);
}

/** A picture from our own set, drawn by a style sheet; a label where it says something that no text beside it says. */
export function icon(name, label = null) {
  return element("span", { class: `icon icon-${name}`, role: label && "img", aria: label ? { label } : { hidden: "true" } });
}

/** A button that shows a picture only; its label is read out and shown as a hint. */
export function iconButton(name, label, onClick, properties = {}) {
  return element(
    "button",
    { type: "button", class: "icon-button", title: label, aria: { label }, on: { click: onClick }, ...properties },
    icon(name),
  );
}

/** The round picture of a person or conversation: the first letter, on a colour that follows from the name. */
export function avatar(name) {
  const letter = [...new Intl.Segmenter().segment(name)][0]?.segment.toUpperCase() ?? "?";
  const made = element("span", { class: "avatar", aria: { hidden: "true" } }, letter);
  let hue = 0;
  for (const character of name) hue = (hue * 31 + character.codePointAt(0)) % 360;
  made.style.setProperty("--hue", hue);
  return made;
}
