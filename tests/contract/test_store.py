"""What every store must do, whatever engine it stands on: the text of store/port.py as tests.

The router may write late, twice and in any order (a replay, a router that wakes up after another took over), and a
reader must see the same all the same. Every test makes ids of its own, so that a shared engine serves as well as a
fresh file. Another twin is a class like EmbeddedTwin and an entry in TWINS; the tests stay as they are.
"""

import itertools
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat4all.model.delivery import Cursor
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.ids import new_id
from chat4all.model.positions import Position, position
from chat4all.model.rows import (
    Change,
    CursorWrite,
    Head,
    IndexEntry,
    KeyedAnswer,
    Preview,
    ReceiptTimes,
    Row,
    TimelineEntry,
)
from chat4all.store.cassandra.store import CassandraStore
from chat4all.store.embedded.store import EmbeddedStore
from chat4all.store.port import Store
from chat4all.store.settings import CassandraSettings

NOON = 1_800_000_000_000  # ms
SCRIPTS = "Não há pão à mão · مرحبا بالعالم · नमस्ते · 👩‍👩‍👧‍👦🇧🇷 · e\u0301 o\u0308\u0323 · \u202eabc\u202c · '\"\\%_\n\t"
USERS = ["ana", "bruno", "josé"]


class EmbeddedTwin:
    """SQLite in a file of its own, and a clock that a test moves. `close` and `open` keep what was written."""

    store: Store

    def __init__(self, path: Path) -> None:
        self._path = path / "store.db"
        self._now = NOON / 1000

    def advance(self, seconds: float) -> None:
        self._now += seconds

    async def open(self) -> None:
        store = EmbeddedStore(self._path, synchronous="FULL", clock=lambda: self._now)
        await store.open()
        self.store, self.close = store, store.close


class CassandraTwin:
    """A keyspace on a real node; the clock is the API's own."""

    store: Store

    def __init__(self, settings: CassandraSettings) -> None:
        self._settings = settings
        self._now = NOON / 1000

    def advance(self, seconds: float) -> None:
        self._now += seconds

    async def open(self) -> None:
        store = CassandraStore(self._settings, clock=lambda: self._now)
        self.store, self.close = store, store.close


Twin = EmbeddedTwin | CassandraTwin


@pytest.fixture(params=["embedded", pytest.param("cassandra", marks=pytest.mark.engine)])
async def twin(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Twin]:
    made: Twin = EmbeddedTwin(tmp_path)
    if request.param == "cassandra":
        made = CassandraTwin(request.getfixturevalue("keyspace"))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def store(twin: Twin) -> Store:
    return twin.store


@pytest.fixture
def here() -> str:
    """A conversation that nobody has used."""
    return new_id()


def at(offset: int, epoch: int = 1) -> Position:
    return position(epoch, offset)


def id_of(conversation: str, seq: int) -> str:
    return str(uuid.uuid5(uuid.UUID(conversation), str(seq)))


def a_row(conversation: str, seq: int, kind: str = "message", **fields: Any) -> Row:
    """A row, by ana, at offset 10 * seq."""
    usual: dict[str, Any] = {"message_id": id_of(conversation, seq), "sender_id": "ana", "created_at": NOON + seq}
    usual |= {"position": at(10 * seq), "content": f"text {seq}" if kind == "message" else ""}
    return Row(conversation_id=conversation, seq=seq, kind=kind, **(usual | fields))


def a_head(conversation: str, seq: int, **fields: Any) -> Head:
    """A head, at offset 10 * seq."""
    usual: dict[str, Any] = {"position": at(10 * seq), "last_at": NOON + seq}
    return Head(conversation_id=conversation, last_seq=seq, **(usual | fields))


def an_edit(conversation: str, seq: int, offset: int, content: str) -> Change:
    return Change(conversation_id=conversation, seq=seq, content=content, position=at(offset), edited_at=NOON + offset)


def a_delete(conversation: str, seq: int, offset: int) -> Change:
    return Change(conversation_id=conversation, seq=seq, content="", position=at(offset), deleted_at=NOON + offset)


def an_ack(conversation: str, user: str, offset: int, *, delivered: int = 0, read: int = 0) -> CursorWrite:
    """A receipt whose log time rises with its offset."""
    return CursorWrite(conversation, user, Cursor().advanced(delivered, read), NOON + offset, at(offset))


async def seqs(store: Store, conversation: str, **query: Any) -> list[int]:
    return [row.seq for row in await store.history(conversation, **query)]


async def the_row(store: Store, conversation: str, seq: int) -> Row:
    return (await store.rows([(conversation, seq)]))[conversation, seq]


# -- history, rows, index


async def test_history_shows_nothing_without_a_head_and_nothing_above_it(store: Store, here: str) -> None:
    written = [a_row(here, seq) for seq in range(1, 6)]
    await store.put_rows(written, [])
    assert await store.history(here, limit=10) == await store.history(here, after_seq=0, limit=10) == []
    await store.put_heads([a_head(here, 3)])
    assert await store.history(here, limit=10) == written[:3]
    assert await seqs(store, here, after_seq=2, limit=10) == [3]
    assert await seqs(store, here, after_seq=3, limit=10) == []
    assert await seqs(store, here, before_seq=6, limit=2) == [2, 3]
    assert await seqs(store, here, limit=10, messages_only=True) == [1, 2, 3]
    await store.put_heads([a_head(here, 5)])
    assert await store.history(here, limit=10) == written


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"limit": 3}, [298, 299, 300], id="the-last"),
        pytest.param({"limit": 999}, list(range(1, 301)), id="all"),
        pytest.param({"before_seq": 5, "limit": 3}, [2, 3, 4], id="before"),
        pytest.param({"before_seq": 3, "limit": 3}, [1, 2], id="before-reaches-the-first"),
        pytest.param({"before_seq": 1, "limit": 3}, [], id="before-the-first"),
        pytest.param({"before_seq": 999, "limit": 2}, [299, 300], id="before-what-is-above-the-head"),
        pytest.param({"after_seq": 0, "limit": 3}, [1, 2, 3], id="after-nought"),
        pytest.param({"after_seq": 298, "limit": 5}, [299, 300], id="after-reaches-the-last"),
        pytest.param({"after_seq": 300, "limit": 5}, [], id="after-the-last"),
        pytest.param({"after_seq": 999, "limit": 5}, [], id="after-what-is-above-the-head"),
        pytest.param({"messages_only": True, "limit": 9}, [2, 4, 300], id="messages"),
        pytest.param({"messages_only": True, "before_seq": 300, "limit": 1}, [4], id="message-before-many-others"),
        pytest.param({"messages_only": True, "after_seq": 0, "limit": 2}, [2, 4], id="messages-after"),
        pytest.param({"messages_only": True, "after_seq": 4, "limit": 1}, [300], id="message-after-many-others"),
    ],
)
async def test_history_pages_in_rising_order(store: Store, here: str, query: dict[str, int], expected: Any) -> None:
    kinds = ["members", "message", "delete", "message", *["edit"] * 295, "message"]
    rows = [a_row(here, seq, kind, target_seq=2) for seq, kind in enumerate(kinds, 1)]
    await store.put_rows(rows, [a_delete(here, 2, 30)])
    await store.put_heads([a_head(here, 300)])
    assert await seqs(store, here, **query) == expected


async def test_a_long_conversation_pages_without_a_seam(store: Store, here: str) -> None:
    for first in range(1, 5011, 501):
        await store.put_rows([a_row(here, seq) for seq in range(first, first + 501)], [])
    await store.put_heads([a_head(here, 5010)])
    assert await seqs(store, here, after_seq=4996, limit=6) == list(range(4997, 5003))
    assert await seqs(store, here, before_seq=5003, limit=6) == list(range(4997, 5003))
    assert await seqs(store, here, limit=15) == list(range(4996, 5011))
    assert await store.unread("bruno", {here: 4990}, limit=100) == {here: 20}


async def test_rows_and_index_see_above_the_head(store: Store, here: str) -> None:
    row = a_row(here, 1)
    await store.put_rows([row], [])
    assert await store.rows([(here, 1), (here, 2), (new_id(), 1)]) == {(here, 1): row}
    entry = IndexEntry(row.message_id, here, 1, row.position)
    assert await store.index([row.message_id, new_id()]) == {row.message_id: entry}
    assert await store.heads([here]) == {}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"content": SCRIPTS}, id="many-scripts"),
        pytest.param({"content": "ação👍ع" * 1666 + "fins"}, id="ten-thousand-characters"),
        pytest.param({"channels": ("whatsapp", "all", "telegram"), "reply_to": new_id()}, id="channels-and-reply"),
        pytest.param({"kind": "members", "content": '{"added": ["josé"], "removed": ["علي"]}'}, id="members"),
        pytest.param({"kind": "edit", "content": "", "target_seq": 7}, id="edit"),
        pytest.param({"position": at((1 << 40) - 1, (1 << 22) - 1)}, id="the-highest-position"),
    ],
)
async def test_a_row_comes_back_as_it_was_written(store: Store, here: str, fields: dict[str, Any]) -> None:
    written = a_row(here, 8, **fields)
    await store.put_rows([written], [])
    await store.put_heads([a_head(here, 8)])
    assert await the_row(store, here, 8) == written
    assert await store.history(here, limit=1) == [written]


@pytest.mark.parametrize("content", ["", SCRIPTS], ids=["empty", "many-scripts"])
@pytest.mark.parametrize("deleted", [False, True], ids=["there", "deleted"])
async def test_a_head_comes_back_with_its_preview(store: Store, here: str, content: str, deleted: bool) -> None:
    head = a_head(here, 4, preview=Preview(3, id_of(here, 3), "josé", content, deleted))
    await store.put_heads([head])
    assert await store.heads([here, new_id()]) == {here: head}


# -- a column keeps the value of the highest position


@pytest.mark.parametrize("epoch", [1, 2], ids=["same-epoch", "newer-epoch-from-the-start"])
async def test_a_late_row_and_its_late_index_entry_change_nothing(store: Store, here: str, epoch: int) -> None:
    kept = a_row(here, 1, position=at(1000 if epoch == 1 else 0, epoch), reply_to=new_id())
    late: dict[str, Any] = {"position": at(999), "content": "late", "sender_id": "eva", "reply_to": new_id()}
    await store.put_rows([kept], [])
    await store.put_rows([a_row(here, 1, message_id=new_id(), **late)], [])
    await store.put_rows([a_row(here, 2, message_id=kept.message_id, **late)], [])
    assert await the_row(store, here, 1) == kept
    assert (await store.index([kept.message_id]))[kept.message_id].seq == 1


@pytest.mark.parametrize("last_seq", [3, 9], ids=["lower-seq", "higher-seq"])
async def test_a_late_head_changes_nothing(store: Store, here: str, last_seq: int) -> None:
    kept = a_head(here, 5, position=at(50), preview=Preview(5, id_of(here, 5), "ana", "kept"))
    await store.put_heads([kept])
    late = Preview(1, new_id(), "eva", "late", deleted=True)
    await store.put_heads([a_head(here, last_seq, position=at(49), last_at=1, preview=late)])
    assert await store.heads([here]) == {here: kept}


async def test_an_edit_before_its_row_shows_nothing_until_the_row_is_there(store: Store, here: str) -> None:
    await store.put_rows([], [an_edit(here, 1, 20, "edited")])
    await store.put_heads([a_head(here, 2)])
    assert await store.rows([(here, 1)]) == {}
    assert await store.history(here, limit=9) == await store.history(here, limit=9, messages_only=True) == []
    assert (await store.unread("bruno", {here: 0}, limit=9)).get(here, 0) == 0
    await store.put_rows([a_row(here, 1)], [])
    assert [row.text for row in await store.history(here, limit=9)] == ["edited"]


@pytest.mark.parametrize(
    ("steps", "seen"),
    [
        pytest.param([("edit", 20), ("edit", 30)], ("at 30", NOON + 30, None), id="the-later-edit-wins"),
        pytest.param([("edit", 20), ("delete", 30)], ("", NOON + 20, NOON + 30), id="a-delete-hides-it"),
        pytest.param([("delete", 30), ("edit", 40)], ("", NOON + 40, NOON + 30), id="a-deleted-one-stays-deleted"),
    ],
)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_edits_and_deletes_may_come_in_any_order(
    store: Store, here: str, steps: list[tuple[str, int]], seen: tuple[str, int, int | None], order: tuple[int, ...]
) -> None:
    for what, offset in ([("row", 10), *steps][index] for index in order):
        if what == "edit":
            await store.put_rows([], [an_edit(here, 1, offset, f"at {offset}")])
        elif what == "delete":
            await store.put_rows([], [a_delete(here, 1, offset)])
        else:
            await store.put_rows([a_row(here, 1, position=at(offset))], [])
    row = await the_row(store, here, 1)
    assert (row.text, row.edited_at, row.deleted_at) == seen
    assert (row.position, row.created_at, row.sender_id) == (at(10), NOON + 1, "ana")


Happened = list[tuple[str, str, int, str]]
happened_somehow = st.lists(
    st.tuples(
        st.sampled_from(["message", "edit", "delete", "members", "receipt"]),
        st.sampled_from(USERS),
        st.integers(0, 9),
        st.text(max_size=8),
    ),
    min_size=1,
    max_size=10,
)


def writes_of(conversation: str, happened: Happened) -> list[Any]:
    """What a router writes when this happens, in its order. With nothing to edit or delete, somebody says something."""
    writes: list[Any] = []
    said: list[int] = []
    preview = None
    for offset, (what, who, number, text) in enumerate(happened):
        if what == "receipt":
            writes.append(an_ack(conversation, who, offset, delivered=number, read=len(text)))
            continue
        seq = about = 1 + sum(isinstance(write, Row) for write in writes)
        kind = what if said or what == "members" else "message"
        there: dict[str, Any] = {"position": at(offset), "sender_id": who, "created_at": NOON + offset}
        if kind == "message":
            said.append(seq)
            writes.append(a_row(conversation, seq, kind, content=text, **there))
            preview = Preview(seq, id_of(conversation, seq), who, text)
        elif kind == "members":
            writes.append(a_row(conversation, seq, kind, content="{}", **there))
        else:
            about = said[number % len(said)]
            writes.append(a_row(conversation, seq, kind, target_seq=about, **there))
            is_edit = kind == "edit"
            change = an_edit(conversation, about, offset, text) if is_edit else a_delete(conversation, about, offset)
            writes.append(change)
            if preview and preview.seq == about:
                preview = msgspec.structs.replace(preview, content=change.content, deleted=not is_edit)
        writes.append(a_head(conversation, seq, position=at(offset), last_at=NOON + offset, preview=preview))
        writes.append(TimelineEntry(id_of(conversation, about), NOON + offset, kind, who, f"in {seq}", at(offset)))
    return writes


async def apply(store: Store, writes: list[Any]) -> None:
    """Make the writes, neighbours of one kind in one call."""
    put: dict[type, Callable[[Any], Awaitable[None]]] = {
        Row: lambda rows: store.put_rows(rows, []),
        Change: lambda changes: store.put_rows([], changes),
        Head: store.put_heads,
        TimelineEntry: store.put_timeline,
        CursorWrite: store.put_cursors,
    }
    for kind, some in itertools.groupby(writes, key=type):
        await put[kind](list(some))


async def visible(store: Store, conversation: str) -> str:
    """All that anyone can see of a conversation of at most ten seqs, without its own ids."""
    ids = {seq: id_of(conversation, seq) for seq in range(1, 11)}
    everything = [
        sorted((await store.rows([(conversation, seq) for seq in ids])).items()),
        await store.history(conversation, limit=99),
        await store.history(conversation, after_seq=0, limit=99, messages_only=True),
        sorted((await store.index(ids.values())).values(), key=lambda entry: entry.seq),
        await store.heads([conversation]),
        [sorted(members.items()) for members in (await store.cursors([conversation])).values()],
        [await store.timeline(message_id) for message_id in ids.values()],
        [await store.unread(user, {conversation: 1}, limit=99) for user in USERS],
        [sorted((await store.reached(conversation, seq)).items()) for seq in ids],
    ]
    text = repr(everything).replace(conversation, "here")
    for seq, message_id in ids.items():
        text = text.replace(message_id, f"message {seq}")
    return text


@settings(derandomize=True, max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happened=happened_somehow, order=st.randoms(use_true_random=False))
async def test_any_order_and_repetition_is_as_good_as_the_right_one(
    store: Store, happened: Happened, order: random.Random
) -> None:
    tidy, messy = new_id(), new_id()
    await apply(store, writes_of(tidy, happened))
    expected = await visible(store, tidy)
    writes = writes_of(messy, happened)
    shuffled = writes + [write for write in writes if order.random() < 0.4]
    order.shuffle(shuffled)
    await apply(store, shuffled)
    assert await visible(store, messy) == expected
    await apply(store, writes)
    assert await visible(store, messy) == expected, "a replay changed something"


# -- cursors


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("together", [True, False], ids=["one-call", "three-calls"])
async def test_the_larger_seq_of_each_column_wins(store: Store, here: str, order: Any, together: bool) -> None:
    seqs_acked = [(10, 9, 0), (20, 5, 2), (30, 4, 4)]
    acks = [an_ack(here, "ana", offset, delivered=d, read=r) for offset, d, r in (seqs_acked[index] for index in order)]
    for some in [acks] if together else [[ack] for ack in acks]:
        await store.put_cursors(some)
    await store.put_cursors([an_ack(here, "bruno", 40, delivered=1)])
    assert (await store.cursors([here, new_id()]))[here] == {"ana": Cursor(9, 4), "bruno": Cursor(1, 0)}


@pytest.mark.parametrize(
    ("acks", "expected"),
    [
        pytest.param([], ReceiptTimes(), id="nobody"),
        pytest.param([(10, 4, 4)], ReceiptTimes(), id="not-yet"),
        pytest.param([(10, 5, 0)], ReceiptTimes(10), id="delivered-exactly-there"),
        pytest.param([(10, 9, 9)], ReceiptTimes(10, 10), id="both-at-once"),
        pytest.param([(10, 4, 0), (20, 7, 0), (30, 9, 6)], ReceiptTimes(20, 30), id="step-by-step"),
        pytest.param([(10, 5, 0), (20, 5, 0)], ReceiptTimes(10), id="the-same-again"),
        pytest.param([(10, 5, 0), (20, 5, 5)], ReceiptTimes(10, 20), id="a-read-repeats-delivered"),
        pytest.param([(10, 8, 0), (20, 6, 6)], ReceiptTimes(10, 20), id="a-second-device-behind"),
    ],
)
@pytest.mark.parametrize("step", [1, -1], ids=["in-order", "backwards"])
async def test_reached_tells_when_a_cursor_first_passed(
    store: Store, here: str, acks: list[tuple[int, int, int]], expected: ReceiptTimes, step: int
) -> None:
    for offset, delivered, read in acks[::step]:
        await store.put_cursors([an_ack(here, "ana", offset, delivered=delivered, read=read)])
    reached = (await store.reached(here, 5)).get("ana", ReceiptTimes())
    offsets = [moment and moment - NOON for moment in (reached.delivered_at, reached.read_at)]
    assert ReceiptTimes(*offsets) == expected


async def test_reached_tells_of_each_member_and_only_of_this_conversation(store: Store, here: str) -> None:
    await store.put_cursors([an_ack(here, "ana", 10, delivered=5), an_ack(here, "bruno", 20, read=7)])
    await store.put_cursors([an_ack(new_id(), "eva", 5, read=9), an_ack(here, "josé", 5, read=4)])
    passed = {user: when for user, when in (await store.reached(here, 5)).items() if when != ReceiptTimes()}
    assert passed == {"ana": ReceiptTimes(NOON + 10, None), "bruno": ReceiptTimes(NOON + 20, NOON + 20)}


# -- unread


@pytest.mark.parametrize(
    ("user", "query", "expected"),
    [
        pytest.param("bruno", (0, 99), 4, id="others-but-not-the-deleted-one"),
        pytest.param("ana", (0, 99), 1, id="own-ones-do-not-count"),
        pytest.param("eva", (0, 99), 5, id="who-wrote-nothing-sees-all"),
        pytest.param("eva", (2, 99), 4, id="above-what-was-read"),
        pytest.param("eva", (9, 99), 0, id="all-read"),
        pytest.param("eva", (50, 99), 0, id="read-above-the-head"),
        pytest.param("eva", (0, 3), 3, id="counted-to-the-limit"),
    ],
)
async def test_unread_counts_what_others_said(store: Store, here: str, user: str, query: Any, expected: int) -> None:
    kinds = ["members", "message", "message", "edit", "message", "delete", *["message"] * 5]
    rows = [a_row(here, seq, kind, sender_id="bruno" if seq == 7 else "ana") for seq, kind in enumerate(kinds, 1)]
    headless, (read, limit) = new_id(), query
    await store.put_rows([*rows, a_row(headless, 1)], [a_delete(here, 5, 60), an_edit(here, 3, 40, "edited")])
    await store.put_heads([a_head(here, 9)])
    counted = await store.unread(user, {here: read, headless: 0, new_id(): 0}, limit=limit)
    assert counted.pop(here, 0) == expected
    assert not any(counted.values())


# -- timeline and the API's own table


async def test_the_timeline_is_oldest_first_and_each_entry_stands_once(store: Store, here: str) -> None:
    message = id_of(here, 1)
    whats = ["accepted", "stored", "edited", "edited", "read"]
    entries = [TimelineEntry(message, NOON + n, what, "josé", SCRIPTS, at(n)) for n, what in enumerate(whats)]
    await store.put_timeline([entries[4], entries[1], TimelineEntry(id_of(here, 2), NOON, "stored", "", "", at(1))])
    await store.put_timeline([entries[0], entries[2], entries[3], entries[2]])
    assert await store.timeline(message) == entries
    await store.put_timeline(entries)
    assert await store.timeline(message) == entries
    assert await store.timeline(new_id()) == []
    at_once = {TimelineEntry(here, NOON, what, "ana", "", at(n)) for what in ("stored", "pushed") for n in (1, 2)}
    await store.put_timeline(list(at_once))
    assert set(await store.timeline(here)) == at_once


async def test_an_answer_is_remembered_for_its_sender_and_key_alone(store: Store) -> None:
    sender, key = new_id(), f"chave ção {new_id()}"
    answered, other = KeyedAnswer("0f" * 32, new_id()), KeyedAnswer("a0" * 32, new_id())
    assert await store.answered(sender, key) is None
    await store.put_answered(sender, key, answered)
    await store.put_answered(sender, key, answered)
    assert await store.answered(sender, f"{key}x") is None
    assert await store.answered(key, sender) is None
    await store.put_answered(key, sender, other)
    assert (await store.answered(sender, key), await store.answered(key, sender)) == (answered, other)


async def test_an_answer_is_forgotten_after_a_day(twin: Twin) -> None:
    sender, again = new_id(), KeyedAnswer("01" * 32, new_id())
    await twin.store.put_answered(sender, "key", KeyedAnswer("0f" * 32, new_id()))
    twin.advance(24 * 3600 - 2)
    assert await twin.store.answered(sender, "key") is not None
    twin.advance(4)
    assert await twin.store.answered(sender, "key") is None
    await twin.store.put_answered(sender, "key", again)
    twin.advance(23 * 3600)
    assert await twin.store.answered(sender, "key") == again


# -- sizes and failures


async def test_many_keys_in_one_question(store: Store) -> None:
    several = [new_id() for _ in range(1500)]
    rows = {(each, 1): a_row(each, 1) for each in several}
    heads = {each: a_head(each, 1) for each in several}
    await store.put_rows(list(rows.values()), [])
    await store.put_heads(list(heads.values()))
    await store.put_cursors([an_ack(each, "ana", 1, read=1) for each in several])
    asked = {*several, new_id()}
    assert await store.heads(asked) == heads
    assert await store.rows({(each, 1) for each in asked}) == rows
    index = await store.index({row.message_id for row in rows.values()})
    assert {entry.conversation_id for entry in index.values()} == set(several)
    assert await store.unread("bruno", dict.fromkeys(several, 0), limit=1) == dict.fromkeys(several, 1)
    cursors = await store.cursors(asked)
    assert all(cursors[each] == {"ana": Cursor(1, 1)} for each in several)


async def test_nothing_asked_and_nothing_written_is_fine(store: Store) -> None:
    await store.put_rows([], [])
    for put in (store.put_heads, store.put_timeline, store.put_cursors):
        await put([])
    for ask in (store.heads, store.index, store.rows, store.cursors):
        assert await ask([]) == {}
    assert await store.unread("ana", {}, limit=9) == {}


async def test_what_was_written_is_there_after_a_new_start(twin: Twin, here: str) -> None:
    happened = [("message", "ana", 0, SCRIPTS), ("edit", "ana", 0, "olá"), ("message", "bruno", 0, "sim")]
    await apply(twin.store, writes_of(here, [*happened, ("delete", "bruno", 1, ""), ("receipt", "ana", 4, "12")]))
    answered = KeyedAnswer("0f" * 32, new_id())
    await twin.store.put_answered(here, "key", answered)
    before = await visible(twin.store, here)
    await twin.close()
    await twin.open()
    assert await visible(twin.store, here) == before
    assert await twin.store.answered(here, "key") == answered


CALLS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "put_rows": lambda store: store.put_rows([a_row(new_id(), 1)], []),
    "put_heads": lambda store: store.put_heads([a_head(new_id(), 1)]),
    "put_timeline": lambda store: store.put_timeline([TimelineEntry(new_id(), NOON, "stored", "", "", at(1))]),
    "put_cursors": lambda store: store.put_cursors([an_ack(new_id(), "ana", 1, read=1)]),
    "heads": lambda store: store.heads([new_id()]),
    "index": lambda store: store.index([new_id()]),
    "rows": lambda store: store.rows([(new_id(), 1)]),
    "history": lambda store: store.history(new_id(), limit=1),
    "unread": lambda store: store.unread("ana", {new_id(): 0}, limit=1),
    "cursors": lambda store: store.cursors([new_id()]),
    "reached": lambda store: store.reached(new_id(), 1),
    "timeline": lambda store: store.timeline(new_id()),
    "answered": lambda store: store.answered("ana", new_id()),
    "put_answered": lambda store: store.put_answered("ana", new_id(), KeyedAnswer("0f", new_id())),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_closed_store_is_unavailable(twin: Twin, call: Callable[[Store], Awaitable[object]]) -> None:
    await twin.close()
    with pytest.raises(EngineUnavailableError, match="store"):
        await call(twin.store)
