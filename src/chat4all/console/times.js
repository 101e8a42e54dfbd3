// Times as people read them, in the language of the page and the time zone of the machine.

import { language, t } from "./texts.js";

const DAY = 86_400_000;

const clockFormat = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
const preciseFormat = new Intl.DateTimeFormat(language, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3,
});
const weekdayFormat = new Intl.DateTimeFormat(language, { weekday: "long" });
const dateFormat = new Intl.DateTimeFormat(language, { day: "numeric", month: "long", year: "numeric" });
const shortFormat = new Intl.DateTimeFormat(language, { day: "2-digit", month: "2-digit", year: "2-digit" });
const agoFormat = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

/** 14:05 */
export function clock(at) {
  return clockFormat.format(new Date(at));
}

/** 3 Nov, 14:05:06.789 */
export function precise(at) {
  return preciseFormat.format(new Date(at));
}

/** Which day it is: equal for two times of one day. */
export function dayOf(at) {
  return new Date(at).toDateString();
}

/** Today, Yesterday, Monday, 3 November 2026 */
export function day(at) {
  const age = daysAgo(at);
  if (age === 0) return t("today");
  if (age === 1) return t("yesterday");
  return (age < 7 ? weekdayFormat : dateFormat).format(new Date(at));
}

/** As short as a list has room for: 14:05 of today, else the day. */
export function brief(at) {
  const age = daysAgo(at);
  if (age === 0) return clock(at);
  if (age === 1) return t("yesterday");
  return (age < 7 ? weekdayFormat : shortFormat).format(new Date(at));
}

/** How long ago: 5 minutes ago, yesterday */
export function ago(at) {
  const seconds = Math.max(0, (Date.now() - new Date(at).getTime()) / 1000);
  if (seconds < 60) return t("justNow");
  if (seconds < 3600) return agoFormat.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return agoFormat.format(-Math.floor(seconds / 3600), "hour");
  return agoFormat.format(-Math.floor(seconds / 86_400), "day");
}

function daysAgo(at) {
  const midnight = (time) => new Date(time).setHours(0, 0, 0, 0);
  return Math.round((midnight(Date.now()) - midnight(new Date(at))) / DAY);
}
