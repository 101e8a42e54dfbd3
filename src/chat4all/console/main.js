// The page's beginning: whoever is not logged in logs in, then the console starts.

import { Console } from "./console.js";
import { Session } from "./session.js";
import { logIn } from "./views/login.js";

const session = new Session();
if (session.username === null) {
  await logIn(session);
  history.replaceState(null, "", location.pathname);
}
await new Console(session).start();
