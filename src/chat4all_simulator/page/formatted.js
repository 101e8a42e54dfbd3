// A text with its entities, as elements. Offsets count UTF-16 code units, as JavaScript's strings do.

import { element } from "/page/element.js";

const TAGS = {
  bold: "strong",
  italic: "em",
  underline: "u",
  strikethrough: "s",
  code: "code",
  pre: "pre",
  blockquote: "q",
  expandable_blockquote: "q",
};

/** Returns elements and texts. Entities are in order, the outer ones first, and nest. */
export function formatted(text, entities, start = 0, end = text.length) {
  const parts = [];
  let at = start;
  for (let i = 0; i < entities.length; i += 1) {
    const one = entities[i];
    const stop = one.offset + one.length;
    if (one.offset < at || stop > end) continue;
    parts.push(text.slice(at, one.offset));
    const inner = entities.slice(i + 1).filter((each) => each.offset >= one.offset && each.offset + each.length <= stop);
    parts.push(dressed(one, formatted(text, inner, one.offset, stop)));
    at = stop;
  }
  parts.push(text.slice(at, end));
  return parts.filter((part) => part !== "");
}

function dressed(entity, children) {
  if (entity.type === "spoiler") return element("span", { class: "spoiler", tabindex: "0" }, ...children);
  if (entity.type === "text_link") return element("span", { class: "link", title: entity.url }, ...children);
  const name = TAGS[entity.type];
  return name ? element(name, {}, ...children) : element("span", { class: "link" }, ...children);
}
