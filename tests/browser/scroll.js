// Run in the page by scrolling.py: the log of the open conversation, scrolled and looked at after every change to it.
(log) => {
  const DEADLINE = 60_000; // ms
  const articles = () => [...log.querySelectorAll("article")];
  const seqOf = (one) => Number(one.dataset.seq);
  const seen = new Set();
  const wrong = [];
  let most = 0;

  const look = () => {
    const seqs = articles().map(seqOf);
    most = Math.max(most, seqs.length);
    seqs.forEach((seq, at) => {
      seen.add(seq);
      if (at && seq !== seqs[at - 1] + 1) wrong.push(`${seqs[at - 1]} before ${seq}`);
    });
  };

  const edge = (last = false) => seqOf(articles().at(last ? -1 : 0));

  const place = (seq = null) => {
    const top = log.getBoundingClientRect().top;
    const found = articles().find((one) => (seq ? seqOf(one) === seq : one.getBoundingClientRect().bottom > top));
    return { seq: seqOf(found), top: found.getBoundingClientRect().top - top };
  };

  /** Wait until the edge is another one. */
  const moved = async (before, last) => {
    const end = performance.now() + DEADLINE;
    while (edge(last) === before) {
      if (performance.now() > end) throw new Error(`nothing came in beyond ${before}`);
      await new Promise(requestAnimationFrame);
    }
  };

  window.scrolling = {
    edge,
    place,
    watched: () => ({ seen: [...seen].sort((a, b) => a - b), wrong, most }),
    /** Scroll to so many pixels from the top; gives by how much what was looked at moved when older messages came in. */
    async up(to) {
      const before = edge();
      log.scrollTop = to;
      const { seq, top } = place();
      await moved(before, false);
      return Math.abs(place(seq).top - top);
    },
    async down() {
      const before = edge(true);
      log.scrollTop = log.scrollHeight;
      await moved(before, true);
    },
    /** All the way; gives the largest of those movements. */
    async toBeginning(to) {
      let largest = 0;
      while (edge() > 1) largest = Math.max(largest, await this.up(to));
      return largest;
    },
    async toEnd(last) {
      while (edge(true) < last) await this.down();
    },
    half: () => (log.scrollTop = log.scrollHeight / 2),
    end: (last) => (log.scrollTop = last ? log.scrollHeight : 0),
  };
  look();
  new MutationObserver(look).observe(log, { childList: true, subtree: true });
}
