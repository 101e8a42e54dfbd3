// One row of a conversation as an element: a message in its bubble, one that is still to be sent, a change of members.

import { element, icon, iconButton, words } from "../element.js";
import { t } from "../texts.js";
import { reason } from "./reasons.js";
import { clock, day } from "../times.js";

const LINK = /https?:\/\/[^\s<>"]+[^\s<>".,;:!?'()[\]{}]/g;
const TICKS = { waiting: "clock", sending: "clock", changing: "clock", accepted: "clock", refused: "alert", changeRefused: "alert", failed: "alert", sent: "tick", delivered: "ticks", read: "ticks" };

/**
 * A message. `view`: {name, mine, state, reason, failures, newDay, grouped, quote: {sender, text} | null, divider}, `on`: what its
 * buttons do: reply, edit, remove, details, quote, retry, resend, discard (each gets the row; absent: no such button).
 */
export function message(row, view, on) {
  const classes = ["message", view.mine ? "mine" : "theirs", view.grouped && "grouped", row.deleted_at && "gone", view.state];
  const body = element(
    "div",
    { class: "bubble" },
    !view.mine && !view.grouped && words(view.name, { class: "sender" }),
    view.quote && quote(view.quote, () => on.quote(row)),
    content(row),
    foot(row, view),
    view.reason && refusal(row, view.reason, on),
    view.failures?.length > 0 && undelivered(row, view.failures, on),
  );
  return element(
    "article",
    { class: classes.filter(Boolean).join(" "), tabindex: -1, dataset: { key: view.key, seq: row.seq ?? "" } },
    ...separators(row, view),
    view.mine && element("span", { class: "visually-hidden" }, `${t("you")}: `),
    body,
    row.seq && !row.deleted_at && tools(row, view, on),
  );
}

/** A line about who came and went. */
export function membersLine(row, view) {
  const text = [];
  const [alone] = row.removed;
  if (row.added.length) text.push(t("added", { who: row.sender_id, names: row.added.join(", ") }));
  if (row.removed.length === 1 && alone === row.sender_id) text.push(t("left", { who: alone }));
  else if (row.removed.length) text.push(t("removed", { who: row.sender_id, names: row.removed.join(", ") }));
  return element(
    "article",
    { class: "members", tabindex: -1, dataset: { key: view.key, seq: row.seq } },
    ...separators(row, view),
    element("p", {}, words(text.join(" "))),
  );
}

function separators(row, view) {
  return [
    view.newDay && element("p", { class: "day" }, element("time", { datetime: row.timestamp }, day(row.timestamp))),
    view.divider > 0 && element("p", { class: "divider" }, t("newMessages", { count: view.divider })),
  ];
}

function content(row) {
  if (row.deleted_at) return element("p", { class: "text quiet" }, t("deleted"));
  const parts = [];
  let at = 0;
  for (const found of row.content.matchAll(LINK)) {
    parts.push(row.content.slice(at, found.index));
    parts.push(element("a", { href: found[0], target: "_blank", rel: "noopener noreferrer" }, found[0]));
    at = found.index + found[0].length;
  }
  return element("p", { class: "text", dir: "auto" }, ...parts, row.content.slice(at));
}

function quote({ sender, text }, onClick) {
  return element(
    "button",
    { type: "button", class: "quote", on: { click: onClick } },
    sender && words(sender, { class: "sender" }),
    words(text, { class: "quote-text" }),
  );
}

function foot(row, view) {
  return element(
    "p",
    { class: "foot" },
    row.edited_at && !row.deleted_at && element("span", {}, t("edited")),
    element("time", { datetime: row.timestamp }, clock(row.timestamp)),
    view.mine && element("span", { class: `state ${view.state}`, title: t(view.state) }, icon(TICKS[view.state], t(view.state))),
  );
}

function refusal(row, reason, on) {
  return element(
    "div",
    { class: "refusal" },
    element("p", { class: "error" }, reason),
    element("button", { type: "button", class: "link", on: { click: () => on.retry(row) } }, t("retry")),
    element("button", { type: "button", class: "link", on: { click: () => on.discard(row) } }, t("discard")),
  );
}

/** On which channels of whom it has failed, and why. */
function undelivered(row, failures, on) {
  const lines = failures.map((one) => element("p", { class: "error" }, words(`${one.who}, ${one.title}: ${reason(one)}`)));
  const again = failures.some((one) => one.retry);
  return element(
    "div",
    { class: "refusal undelivered" },
    ...lines,
    again && element("button", { type: "button", class: "link", on: { click: () => on.resend(row) } }, t("retry")),
  );
}

/** For the mouse and for fingers; the keyboard has a key for each on the message itself. */
function tools(row, view, on) {
  const tool = (name, label, action) => iconButton(name, label, () => action(row), { tabindex: -1 });
  return element(
    "div",
    { class: "tools" },
    tool("reply", t("reply"), on.reply),
    view.mine && tool("edit", t("edit"), on.edit),
    view.mine && tool("delete", t("remove"), on.remove),
    tool("details", t("details"), on.details),
  );
}
