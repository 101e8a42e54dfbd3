// Where is my message? Everything that happened to it, and how far it got with each person.

import { element, words } from "../element.js";
import { AnswerError, newKey } from "../rest.js";
import { t } from "../texts.js";
import { precise } from "../times.js";
import * as dialogs from "./dialogs.js";
import { reason } from "./reasons.js";

const SOON = 700; // ms between looks at what was sent again
const LOOKS = 60; // at most, until it has come to something
const ARRIVED = ["sent", "delivered", "read"];

const KNOWN = ["accepted", "edited", "deleted", "sent", "failed", "retried", "delivered", "read"];

/** Open the dialog for a row. */
export async function open(session, row) {
  const body = element("div", { class: "timeline" });
  dialogs.open(t("timeline"), [body], { wide: true });
  body.setAttribute("aria-busy", "true");
  await fill(session, row, body);
  body.removeAttribute("aria-busy");
}

/** Ask what became of the message and draw it, unless that is `drawn`. What is drawn then: all of it as text, and
 * whether it has arrived; undefined where there was no answer. */
async function fill(session, row, body, drawn) {
  const path = `/v1/messages/${row.message_id}`;
  try {
    const [events, detail] = await Promise.all([session.call("GET", `${path}/timeline`), session.call("GET", path)]);
    const people = detail.body.recipients;
    const found = { text: JSON.stringify([events.body, people]), arrived: people.every(arrived) };
    if (found.text === drawn?.text) return drawn;
    const names = new Map(people.map((one) => [one.username, one.name]));
    const again = () => follow(session, row, body, found);
    body.replaceChildren(timeline(events.body, names), recipients(people), retry(session, row, people, again), id(row.message_id));
    return found;
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error;
    body.append(element("p", { class: "error", role: "alert" }, error.status ? error.message : t("noAnswer")));
    return undefined;
  }
}

/** Look again and again, as long as the dialog is open and something has not arrived. */
async function follow(session, row, body, before) {
  let drawn = before;
  for (let look = 0; look < LOOKS && body.isConnected; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, SOON));
    drawn = await fill(session, row, body, drawn);
    if (!drawn || drawn.arrived) return;
  }
}

function arrived({ channels }) {
  return channels.every((way) => ARRIVED.includes(way.status));
}

function timeline(events, names) {
  const rows = events.map(({ at, what, who, detail }) => [
    element("time", { datetime: at, title: at }, precise(at)),
    KNOWN.includes(what) ? t(`what_${what}`) : what,
    words(names.get(who) ?? who),
    words(detail),
  ]);
  return table(null, [t("when"), t("what"), t("who"), t("detail")], rows);
}

/** A line for each way that leads to each person. */
function recipients(people) {
  const rows = people.flatMap(({ username, name, read_at: read, delivered_at: delivered, status, channels }) => {
    const state = read ? "read" : delivered ? "delivered" : "sent";
    const contact = username.startsWith("contact-");
    const app = contact ? (channels.length ? [] : [line(name, "", status, null, "")]) : [line(name, t("app"), state, read ?? delivered, "")];
    return [...app, ...channels.map((way) => line(name, way.title, way.status, way.at, way.reason ? reason(way) : ""))];
  });
  return table(t("recipients"), [t("who"), t("where"), t("state"), t("when"), t("why")], rows);
}

function line(who, where, state, at, why) {
  return [words(who), words(where), t(state), at ? element("time", { datetime: at }, precise(at)) : "", words(why)];
}

/** Where something has failed that can be sent again, by its sender or the team. */
function retry(session, row, people, again) {
  if (!people.some(({ channels }) => channels.some((way) => way.retry))) return "";
  const said = element("p", { class: "error", role: "alert" });
  const click = async () => {
    try {
      await session.call("POST", `/v1/messages/${row.message_id}/retry`, { key: newKey() });
      again();
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      said.textContent = error.status ? error.message : t("noAnswer");
    }
  };
  return element("div", {}, element("button", { type: "button", class: "secondary", on: { click } }, t("retry")), said);
}

/** The roles are said: where it is narrow a row is drawn as a paragraph, and would be no row any more. */
function table(caption, heads, rows) {
  const row = (cells) => element("tr", { role: "row" }, ...cells);
  const head = row(heads.map((one) => element("th", { scope: "col", role: "columnheader" }, one)));
  const lines = rows.map((cells) => row(cells.map((cell) => element("td", { role: "cell" }, cell))));
  return element(
    "table",
    { role: "table" },
    caption && element("caption", {}, caption),
    element("thead", { role: "rowgroup" }, head),
    element("tbody", { role: "rowgroup" }, ...lines),
  );
}

function id(messageId) {
  return element("p", { class: "quiet" }, `${t("messageId")}: `, element("code", {}, messageId));
}
