// Why something has failed on a channel, in this page's language where it knows the code, else as the server says it.

import { known, t } from "../texts.js";

/** What happened, and what can be done about it. `way`: {reason, sentence, advice} of the API. */
export function reason({ reason: code, sentence, advice }) {
  if (known(`reason_${code}`)) return `${t(`reason_${code}`)} ${t(`advice_${code}`)}`;
  return [sentence ?? code, advice].filter(Boolean).join(" ");
}
