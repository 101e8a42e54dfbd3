// What is unsent: `answers` are what the server says, one after the other; `one.sent` are the keys of the requests.
async () => {
  const { Outbox } = await import("/console/outbox.js");
  const { AnswerError } = await import("/console/rest.js");
  let people = 0;
  const made = (answers, { again = false } = {}) => {
    if (!again) people += 1; // each case is somebody else's tab
    const sent = [];
    const call = async (method, path, { key }) => {
      sent.push(key);
      const next = answers.shift() ?? new AnswerError("gone");
      if (next instanceof Error) throw next;
      return { body: { message_id: next } };
    };
    return Object.assign(new Outbox({ username: `me${people}`, call }), { sent });
  };
  const states = (one) => one.entries().map(({ state }) => state);
  const until = async (one, wanted) => {
    for (let n = 0; n < 2000 && !wanted(); n++) { one.kick(); await new Promise((next) => setTimeout(next)); }
    return wanted();
  };
  return {
    "a line that is down does not count towards what may not be stored yet": [
      await (async () => {
        const down = Array.from({ length: 9 }, () => new AnswerError('down'));
        const soon = new AnswerError('soon', 404, 1);
        const one = made([...down, soon, soon, 'm1']);
        one.post('c', 'x', null, 0);
        return [await until(one, () => states(one)[0] === 'accepted'), new Set(one.sent).size];
      })(),
      [true, 1],
    ],
    "what is not there for good is refused in the end, and does not hold up what follows": [
      await (async () => {
        const never = Array.from({ length: 6 }, () => new AnswerError('no', 404, 1));
        const one = made([...never, 'm2']);
        one.post('c', 'x', null, 0);
        one.post('c', 'y', null, 0);
        return [await until(one, () => states(one)[1] === 'accepted'), states(one)];
      })(),
      [true, ["refused", "accepted"]],
    ],
    "what comes back before its answer leaves nothing behind": [
      await (async () => {
        const one = made(['m1']);
        one.settled('m1');
        one.post('c', 'x', null, 0);
        return [await until(one, () => one.entries().length === 0), one.sent.length];
      })(),
      [true, 1],
    ],
    "an end is for good": [
      await (async () => {
        const one = made([]);
        one.post('c', 'x', null, 0);
        one.close();
        one.kick();
        await new Promise((next) => setTimeout(next, 5));
        return [one.unsent, one.entries().length, made([], { again: true }).unsent];
      })(),
      [0, 0, 1],
    ],
    "what was being sent when the page was left waits in the next one": [
      (() => {
        const one = made([]);
        one.post('c', 'x', null, 0);
        const next = made([], { again: true });
        return states(next);
      })(),
      ["waiting"],
    ],
  };
}
