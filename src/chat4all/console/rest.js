// Requests to the server, and what goes wrong with them as one kind of error.

const PATIENCE = 15_000; // ms until a request without an answer is given up

/** The server refused (`status`), or could not be reached (nought). `wait`: ms after which it may be tried again. */
export class AnswerError extends Error {
  constructor(message, status = 0, wait = null) {
    super(message);
    this.status = status;
    this.wait = wait;
  }

  /** Whether the same request may succeed later: nothing was decided about it. */
  get passes() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/**
 * One request. `body` is sent as JSON, `form` as a form. Gives {body, next}: the JSON of the answer, and the address
 * of the next page where there is one. Raises AnswerError.
 */
export async function ask(method, path, { token = null, body = null, form = null, key = null } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (key) headers["Idempotency-Key"] = key;
  if (body) headers["Content-Type"] = "application/json";
  const sent = form ? new URLSearchParams(form) : body && JSON.stringify(body);
  let answer;
  let said;
  try {
    answer = await fetch(path, { method, headers, body: sent, signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
    said = parsed(await answer.text());
  } catch (error) {
    throw new AnswerError(String(error.message ?? error));
  }
  if (!answer.ok) throw refusal(answer, said);
  if (said === null) throw new AnswerError(`The answer to ${method} ${path} is not JSON.`);
  return { body: said, next: /<([^>]+)>; rel="next"/.exec(answer.headers.get("Link") ?? "")?.[1] ?? null };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // what stands between us and the server may answer with a page of its own
  }
}

function refusal(answer, problem) {
  const fields = (problem?.errors ?? []).map((one) => `${one.field}: ${one.detail}`);
  const text = [problem?.detail ?? `HTTP ${answer.status}.`, problem?.advice, ...fields].filter(Boolean).join(" ");
  const seconds = Number(answer.headers.get("Retry-After"));
  return new AnswerError(text, answer.status, seconds > 0 ? seconds * 1000 : null);
}

/** A new Idempotency-Key: random, and also made on pages without TLS, where crypto.randomUUID is missing. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
