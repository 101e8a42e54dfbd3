// Whether a mouse button or a finger is down. A click is made of both halves on the same element: what is under the
// pointer is not drawn anew between them, or the click would be lost.

const LONGEST = 10_000; // ms for which drawing waits, at most

let down = false;
let timer = null;
const waiting = new Set();

addEventListener("pointerdown", press, true);
for (const type of ["pointerup", "pointercancel"]) {
  addEventListener(type, () => setTimeout(release), true); // the click comes first
}

// A scrollbar does not tell in every browser that it was let go.
addEventListener("pointermove", (event) => down && !event.buttons && release(), true);

function press() {
  down = true;
  clearTimeout(timer);
  timer = setTimeout(release, LONGEST);
}

function release() {
  down = false;
  clearTimeout(timer);
  const works = [...waiting];
  waiting.clear();
  works.forEach((work) => work());
}

/** Do this with the next frame, or as soon as nothing is held down. */
export function drawSoon(work) {
  requestAnimationFrame(() => whenUp(work));
}

/** Do this now, or as soon as nothing is held down. */
export function whenUp(work) {
  if (down) waiting.add(work);
  else work();
}
