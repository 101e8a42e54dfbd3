// The control API of one provider; every call returns its answer, or throws an Error with its reason.

const BASE = "/control/telegram";

async function call(method, path, body) {
  const answer = await fetch(BASE + path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const result = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(reason(result) || `The simulator answered ${answer.status}.`);
  return result;
}

function reason(result) {
  if (typeof result.detail === "string") return result.detail;
  return Array.isArray(result.detail) ? result.detail.map((one) => one.msg).join("; ") : "";
}

const part = encodeURIComponent;

export const phones = () => call("GET", "/phones");
export const addPhone = (name, firstName) => call("PUT", `/phones/${part(name)}`, { first_name: firstName });
export const bots = () => call("GET", "/bots");
export const addBot = (name) => call("PUT", `/bots/${part(name)}`, {});
export const groups = () => call("GET", "/groups");
export const addGroup = (title, by) => call("POST", "/groups", { title, by });
export const join = (group, user, by) => call("POST", `/groups/${group}/members`, { user, by });
export const leave = (group, user) => call("DELETE", `/groups/${group}/members/${part(user)}`);

/** What one person does on their phone. A chat is named by a bot's user name or a group's id. */
export class Phone {
  constructor(name) {
    this.name = name;
    this.path = `/phones/${part(name)}`;
  }

  chats() {
    return call("GET", `${this.path}/chats`);
  }

  messages(chat) {
    return call("GET", `${this.path}/chats/${part(chat)}`);
  }

  write(chat, text, replyTo, quote) {
    return call("POST", `${this.path}/chats/${part(chat)}/messages`, { text, reply_to: replyTo, quote });
  }

  edit(chat, id, text) {
    return call("PATCH", `${this.path}/chats/${part(chat)}/messages/${id}`, { text });
  }

  remove(chat, id) {
    return call("DELETE", `${this.path}/chats/${part(chat)}/messages/${id}`);
  }

  block(bot, blocked) {
    return call("PUT", `${this.path}/chats/${part(bot)}/blocked`, { blocked });
  }

  /** Calls `onOpen` once it hears, and `onEvent` with what happens from then on. Returns a function that ends it. */
  listen(onEvent, onOpen) {
    const source = new EventSource(`${BASE}${this.path}/stream`);
    source.addEventListener("open", onOpen);
    source.addEventListener("message", (event) => onEvent(JSON.parse(event.data)));
    return () => source.close();
  }
}
