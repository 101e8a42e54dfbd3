// The page: phones at the left, the chats of the one that was picked, and the chat that is open on it.

import * as control from "/page/control.js";
import { element } from "/page/element.js";
import { Chat } from "/page/chat.js";
import { ask } from "/page/dialog.js";

const state = { people: [], person: null, chats: [], loads: 0, open: null, stop: null };
const view = {};

function build() {
  view.people = element("ul", { class: "people" });
  view.chats = element("ul", { class: "chats" });
  view.title = element("h2", {}, "Chats");
  view.chat = element("main", { "aria-label": "Chat" });
  view.status = element("p", { class: "status", role: "status" });
  document.body.append(
    element(
      "nav",
      { "aria-label": "Phones" },
      element("h1", {}, "Phones"),
      view.people,
      element("button", { onclick: addPhone }, "Add a phone"),
      element("button", { onclick: addBot }, "Add a bot"),
      view.status,
      element("a", { href: "/docs" }, "Control API"),
      element("a", { href: "/control/log?limit=100" }, "Log"),
    ),
    element(
      "section",
      { "aria-label": "Chats" },
      view.title,
      view.chats,
      element("button", { onclick: addGroup }, "Make a group"),
    ),
    view.chat,
  );
}

/** Does what may fail; if it does, shows why and returns undefined. */
async function attempt(work) {
  view.status.textContent = "";
  try {
    return await work();
  } catch (error) {
    view.status.textContent = error.message;
    return undefined;
  }
}

async function load() {
  state.people = await control.phones();
  view.people.replaceChildren(
    ...state.people.map((one) =>
      element(
        "li",
        {},
        element(
          "button",
          { onclick: () => pick(one), "aria-pressed": String(state.person?.name === one.username) },
          element("bdi", {}, one.first_name),
          element("small", {}, ` @${one.username}${one.deactivated ? " – deactivated" : ""}`),
        ),
      ),
    ),
  );
}

async function pick(person) {
  state.stop?.();
  state.person = new control.Phone(person.username);
  state.person.id = person.id;
  state.open = null;
  view.title.textContent = `${person.first_name}'s chats`;
  view.chat.replaceChildren(element("p", { class: "hint" }, "Pick a chat."));
  state.stop = state.person.listen(onEvent, onOpen);
  location.hash = person.username;
  await attempt(async () => {
    await load();
    const [only, ...others] = await loadChats();
    if (only && !others.length && !state.open) await open(only);
  });
}

async function loadChats() {
  const turn = ++state.loads; // of several loads at once only the last one counts
  const chats = await state.person.chats();
  if (turn === state.loads) {
    state.chats = chats;
    showChats();
  }
  return chats;
}

/** Draw the chats anew if something has changed, else not: what is being clicked stays where it is. */
function showChats() {
  const print = JSON.stringify([state.person.name, state.chats, state.open?.id]);
  if (print === view.print) return;
  view.print = print;
  view.chats.replaceChildren(...state.chats.map(row));
}

function row(one) {
  const name = one.chat.title || one.chat.first_name;
  const isOpen = state.open?.id === one.chat.id;
  return element(
    "li",
    {},
    element(
      "button",
      { onclick: () => open(one), "aria-pressed": String(isOpen) },
      element("bdi", {}, name),
      one.blocked ? element("small", {}, " blocked") : null,
      element("small", { class: "preview" }, one.last?.text ?? ""),
    ),
  );
}

async function open(one) {
  state.open = new Chat(state.person, one, view.chat, attempt);
  await attempt(() => state.open.load());
  showChats();
}

function onEvent(event) {
  if (event.what === "chats") {
    attempt(loadChats);
    return;
  }
  if (state.open?.id === event.chat) state.open.take(event);
  if (event.what === "message" || event.what === "blocked") attempt(loadChats);
}

/** The stream is open, for the first time or again: look up what happened before it was. */
function onOpen() {
  attempt(async () => {
    await loadChats();
    await state.open?.load();
  });
}

async function addPhone() {
  const answers = await ask("Add a phone", { username: "User name", first: "First name" });
  if (!answers) return;
  const person = await attempt(() => control.addPhone(answers.username, answers.first));
  if (person) await pick(person);
}

async function addBot() {
  const answers = await ask("Add a bot", { username: "User name, as support_bot" });
  if (!answers) return;
  const bot = await attempt(() => control.addBot(answers.username));
  if (bot) await ask(`@${bot.username} is here`, {}, `Its token: ${bot.token}`);
}

async function addGroup() {
  if (!state.person) {
    view.status.textContent = "Pick a phone first.";
    return;
  }
  const bots = await control.bots();
  const answers = await ask("Make a group", { title: "Title", bot: "Bot to bring in" }, "", {
    bot: bots.map((one) => one.username),
  });
  if (!answers) return;
  await attempt(async () => {
    const group = await control.addGroup(answers.title, state.person.name);
    if (answers.bot) await control.join(group.id, answers.bot, state.person.name);
    await loadChats();
  });
}

build();
await attempt(load);
const wanted = state.people.find((one) => `#${one.username}` === location.hash) ?? state.people[0];
if (wanted) await pick(wanted);
else view.chat.append(element("p", { class: "hint" }, "No phones yet: add one, and a bot to write to."));
