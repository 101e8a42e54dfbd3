// Which rows of a long conversation are drawn: a window over them that moves as one scrolls, so that the page does not
// grow with the history.

const LEAST = 120; // rows drawn when one comes to the end
const STEP = 80; // rows that come in when one gets near an edge
const MOST = 320; // rows drawn at once

/** `seqs` in every call: the seqs that can be drawn, rising. */
export class Window {
  #low = 0;
  #high = Infinity; // as long as it is the end, what is new comes in by itself

  get atEnd() {
    return this.#high === Infinity;
  }

  toEnd(seqs) {
    this.#high = Infinity;
    this.#low = seqs[Math.max(0, seqs.length - LEAST)] ?? 0;
  }

  /** Those that are drawn. `follow`: the end is looked at, so that what is above may go. */
  drawn(seqs, { follow }) {
    const from = this.#from(seqs);
    if (this.atEnd && seqs.length - from > MOST) {
      if (follow) this.toEnd(seqs);
      else this.#high = seqs[from + MOST - 1];
    }
    return seqs.slice(this.#from(seqs), this.#to(seqs));
  }

  /** Draw earlier ones; false where there are none. */
  up(seqs) {
    const from = this.#from(seqs);
    if (from === 0) return false;
    const first = Math.max(0, from - STEP);
    this.#low = seqs[first];
    if (this.#to(seqs) - first > MOST) this.#high = seqs[first + MOST - 1];
    return true;
  }

  /** Draw later ones; false where there are none. */
  down(seqs) {
    const to = this.#to(seqs);
    if (this.atEnd) return false;
    const last = to - 1 + STEP;
    this.#high = last >= seqs.length - 1 ? Infinity : seqs[last];
    if (this.#to(seqs) - this.#from(seqs) > MOST) this.#low = seqs[this.#to(seqs) - MOST];
    return true;
  }

  /** Draw those around this one. */
  around(seqs, seq) {
    const at = seqs.indexOf(seq);
    this.#low = seqs[Math.max(0, at - STEP)];
    this.#high = at + STEP >= seqs.length - 1 ? Infinity : seqs[at + STEP];
  }

  #from(seqs) {
    const at = seqs.findIndex((seq) => seq >= this.#low);
    return at < 0 ? seqs.length : at;
  }

  #to(seqs) {
    if (this.atEnd) return seqs.length;
    const at = seqs.findIndex((seq) => seq > this.#high);
    return at < 0 ? seqs.length : at;
  }
}
