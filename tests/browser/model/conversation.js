// One conversation: what it holds after what came, in which order.
async () => {
  const { Conversation } = await import("/console/conversation.js");
  const at = "2026-01-01T00:00:00.000Z";
  const listed = { conversation_id: "c", type: "group", members: ["me", "a", "b"], metadata: {}, last_seq: 0,
                   last_at: at, preview: null, unread: 0, read_seq: 0 };
  const make = (given = {}) => new Conversation("me", { ...listed, ...given });
  const more = (given) => ({ ...listed, ...given });
  const message = (seq, sender = "a", given = {}) => ({ type: "message", conversation_id: "c", seq, sender_id: sender,
    message_id: `m${seq}`, content: `${seq}`, reply_to: null, timestamp: at, edited_at: null, deleted_at: null, ...given });
  const change = (type, seq, target, given = {}) => ({ type, conversation_id: "c", seq, sender_id: "a", timestamp: at,
    message_id: `m${target}`, target_seq: target, content: "new", deleted_at: null, ...given });
  const comes = (seq, added) => ({ type: "members", conversation_id: "c", seq, sender_id: "a", timestamp: at, added,
    removed: [] });
  const page = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => message(from + n));
  const load = (one, from, to) => one.took(page(from, to), one.loads());
  const dense = (one) => { const seqs = [...one.rows.keys()].sort((a, b) => a - b);
    return seqs.every((seq, n) => seq === one.first + n) && seqs.at(-1) === one.lastSeq; };
  return {
    "a page that was asked for before rows were let go of leaves no hole": [
      (() => {
        const one = make({ last_seq: 900 });
        for (let n = 801; n > 0; n -= 100) load(one, n, n + 99);
        const epoch = one.loads();
        one.shrink();
        one.took(page(1, 100), epoch);
        return [one.first, dense(one)];
      })(),
      [701, true],
    ],
    "a page that was asked for before more was missed leaves no hole": [
      (() => {
        const one = make({ last_seq: 1000 });
        const epoch = one.loads();
        one.missed(3000);
        one.took(page(901, 1000), epoch);
        return [one.loaded, one.rows.size, one.lastSeq];
      })(),
      [false, 0, 3000],
    ],
    "an older page that was asked for before more was missed leaves no hole": [
      (() => {
        const one = make({ last_seq: 1000 });
        load(one, 901, 1000);
        const epoch = one.loads();
        one.missed(3000);
        one.took(page(801, 900), epoch);
        load(one, 2901, 3000);
        return [one.first, dense(one)];
      })(),
      [2901, true],
    ],
    "what comes while the first page is on its way is kept": [
      (() => {
        const one = make({ last_seq: 5 });
        const epoch = one.loads();
        one.take(message(6));
        one.took(page(1, 5), epoch);
        return [one.first, dense(one)];
      })(),
      [1, true],
    ],
    "an edit that comes while its page is on the way is newer than the page": [
      (() => {
        const one = make({ last_seq: 2 });
        const epoch = one.loads();
        one.take(change('edit', 3, 1));
        one.took(page(1, 2), epoch);
        return one.rows.get(1).content;
      })(),
      "new",
    ],
    "what is deleted stays so, whatever is edited later": [
      (() => {
        const one = make();
        one.take(message(1));
        one.take(change('delete', 2, 1));
        one.take(change('edit', 3, 1, { deleted_at: at }));
        const { content, deleted_at: gone } = one.rows.get(1);
        return [content, gone !== null, one.preview.deleted];
      })(),
      ["", true, true],
    ],
    "a seq that was had before is not taken again": [
      (() => {
        const one = make();
        return [one.take(message(1)), one.take(message(1)), one.rows.size];
      })(),
      [true, false, 1],
    ],
    "a jump means that what is loaded is to be loaded anew": [
      (() => {
        const one = make();
        one.take(message(1));
        one.take(message(4));
        return [one.loaded, one.lastSeq];
      })(),
      [false, 4],
    ],
    "what the list says was read elsewhere is not unread": [
      (() => {
        const one = make({ last_seq: 3, unread: 3 });
        one.update(more({ last_seq: 3, unread: 0, read_seq: 3 }));
        return [one.unread, one.readSeq];
      })(),
      [0, 3],
    ],
    "what was read elsewhere in part is counted without what is not loaded": [
      (() => {
        const one = make({ last_seq: 51, unread: 51 });
        one.receive('me', { delivered_seq: 50, read_seq: 50 });
        return one.unread;
      })(),
      1,
    ],
    "a list that is older than what was read here does not count it again": [
      (() => {
        const one = make({ last_seq: 5 });
        one.missed(2000);
        one.receive('me', { delivered_seq: 2000, read_seq: 2000 });
        one.update(more({ last_seq: 2000, unread: 100, read_seq: 0 }));
        return one.unread;
      })(),
      0,
    ],
    "a message that the list has counted is not counted when it comes": [
      (() => {
        const one = make({ last_seq: 1, unread: 1 });
        one.missed(5);
        one.update(more({ last_seq: 7, unread: 3 }));
        one.take(message(6));
        one.take(message(7));
        return one.unread;
      })(),
      3,
    ],
    "a conversation that nobody looks at does not grow": [
      (() => {
        const one = make({ last_seq: 100 });
        load(one, 1, 100);
        for (let n = 101; n < 3000; n++) one.take(message(n));
        return [one.rows.size < 500, dense(one)];
      })(),
      [true, true],
    ],
    "a message is read when everyone has read it who was there": [
      (() => {
        const one = make();
        one.take(message(1, 'me'));
        one.take(comes(2, ['b']));
        one.take(message(3, 'me'));
        one.receive('a', { delivered_seq: 3, read_seq: 3 });
        return [1, 3].map((n) => one.status(one.rows.get(n)));
      })(),
      ["read", "sent"],
    ],
    "a state never goes back": [
      (() => {
        const one = make();
        one.take({ ...message(1, 'me'), status: 'read' });
        one.receive('a', { delivered_seq: 1, read_seq: 0 });
        return one.status(one.rows.get(1));
      })(),
      "read",
    ],
  };
}
