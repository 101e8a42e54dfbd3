// Where is my message? Everything that happened to it, and how far it got with each person.

import { element, words } from "../element.js";
import { AnswerError } from "../rest.js";
import { t } from "../texts.js";
import { precise } from "../times.js";
import * as dialogs from "./dialogs.js";

const KNOWN = ["accepted", "edited", "deleted", "delivered", "read"];

/** Open the dialog for a row. */
export async function open(session, row) {
  const body = element("div", { class: "timeline", aria: { busy: "true" } });
  dialogs.open(t("timeline"), [body], { wide: true });
  const path = `/v1/messages/${row.message_id}`;
  try {
    const [events, detail] = await Promise.all([session.call("GET", `${path}/timeline`), session.call("GET", path)]);
    body.append(timeline(events.body), recipients(detail.body.recipients), id(row.message_id));
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error;
    body.append(element("p", { class: "error", role: "alert" }, error.status ? error.message : t("noAnswer")));
  } finally {
    body.removeAttribute("aria-busy");
  }
}

function timeline(events) {
  const rows = events.map(({ at, what, who, detail }) => [
    element("time", { datetime: at, title: at }, precise(at)),
    KNOWN.includes(what) ? t(`what_${what}`) : what,
    words(who),
    words(detail),
  ]);
  return table(null, [t("when"), t("what"), t("who"), t("detail")], rows);
}

function recipients(people) {
  const rows = people.map(({ username, status, read_at: read, delivered_at: delivered }) => {
    const at = read ?? delivered;
    return [words(username), t(status), at ? element("time", { datetime: at }, precise(at)) : ""];
  });
  return table(t("recipients"), [t("who"), t("state"), t("when")], rows);
}

function table(caption, heads, rows) {
  const head = element("tr", {}, ...heads.map((one) => element("th", { scope: "col" }, one)));
  const lines = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element("table", {}, caption && element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...lines));
}

function id(messageId) {
  return element("p", { class: "quiet" }, `${t("messageId")}: `, element("code", {}, messageId));
}
