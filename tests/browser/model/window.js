// Up, down and what comes in, in many orders: never too much, never with a hole, and every step up shows something new.
async () => {
  const { Window } = await import("/console/views/window.js");
  const faults = [];
  let seed = 20261124;
  const random = (below) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below;
  for (let life = 0; life < 300; life++) {
    const view = new Window();
    let seqs = Array.from({ length: random(900) }, (_, n) => 1000 + 2 * n);
    view.toEnd(seqs);
    let follow = true;
    for (let step = 0; step < 40; step++) {
      const turn = random(6);
      const first = view.drawn(seqs, { follow })[0];
      if (turn === 0) seqs = [...seqs, ...Array.from({ length: random(400) }, (_, n) => (seqs.at(-1) ?? 1000) + 2 + 2 * n)];
      if (turn === 1) seqs = [...Array.from({ length: 100 }, (_, n) => (seqs[0] ?? 1000) - 200 + 2 * n), ...seqs];
      if (turn === 2 && view.up(seqs)) { follow = false;
        if (!(view.drawn(seqs, { follow })[0] < first)) faults.push("up showed nothing more"); }
      if (turn === 3) view.down(seqs);
      if (turn === 4) { view.toEnd(seqs); follow = true; }
      if (turn === 5 && seqs.length) { view.around(seqs, seqs[random(seqs.length)]); follow = false; }
      const drawn = view.drawn(seqs, { follow });
      const from = seqs.indexOf(drawn[0]);
      if (drawn.length > 320) faults.push(`${drawn.length} drawn`);
      if (seqs.length && !drawn.length) faults.push("nothing drawn");
      if (drawn.some((seq, n) => seq !== seqs[from + n])) faults.push("a hole");
      if (follow && drawn.at(-1) !== seqs.at(-1)) faults.push("not at the end");
    }
  }
  return { "a window over rows, in many lives": [[...new Set(faults)], []] };
}
