"""The sequencer alone: tables of what a record becomes, given the heads and the index."""

import pytest

from chat4all.log.port import Assignment, Batch, LogRecord
from chat4all.model import records
from chat4all.model.positions import position
from chat4all.model.rows import Head, IndexEntry, Preview
from chat4all.routing.intake import PositionedRecord, take_in
from chat4all.routing.sequencer import ids_to_look_up, sequence

POS = [position(1, offset) for offset in range(20)]


def arrival(offset, record):
    return PositionedRecord(POS[offset], 1000 + offset, offset, record)


def message(id_, content="x", *, keyed=False):
    return records.Message(id=id_, conversation_id="c", sender_id="ana", content=content, keyed=keyed)


def edit(id_, target, content="y"):
    return records.Edit(id=id_, conversation_id="c", sender_id="ana", target_id=target, content=content)


def delete(id_, target):
    return records.Delete(id=id_, conversation_id="c", sender_id="ana", target_id=target)


def head(seq, offset, preview=None):
    return Head(conversation_id="c", last_seq=seq, position=POS[offset], last_at=1, preview=preview)


def entry(id_, seq, offset, conversation="c"):
    return IndexEntry(id_, conversation, seq, POS[offset])


def placed(result):
    return [(one.row.message_id, one.row.seq, one.replay) for one in result.placed]


CASES = {
    "the first record of a conversation gets seq 1": ([(0, message("a"))], None, [], [("a", 1, False)], 0),
    "beyond the head comes the next seq": ([(5, message("a"))], head(3, 4), [], [("a", 4, False)], 0),
    "a record at the head runs again with its own seq": (
        [(4, message("a"))],
        head(3, 4),
        [entry("a", 3, 4)],
        [("a", 3, True)],
        0,
    ),
    "a record whose rows were written and whose head was not gets the same seq": (
        [(5, message("a"))],
        head(3, 4),
        [entry("a", 4, 5)],
        [("a", 4, False)],
        0,
    ),
    "a known id at another position is skipped, beyond the head": (
        [(7, message("a", keyed=True))],
        head(3, 4),
        [entry("a", 2, 3)],
        [],
        1,
    ),
    "a known id at another position is skipped, before the head": (
        [(3, message("a", keyed=True))],
        head(3, 4),
        [entry("a", 1, 1)],
        [],
        1,
    ),
    "a repeat in the same batch is skipped": (
        [(5, message("a", keyed=True)), (6, message("a", keyed=True)), (7, message("b"))],
        head(3, 4),
        [],
        [("a", 4, False), ("b", 5, False)],
        1,
    ),
    "an edit, a delete and a change of members take a seq": (
        [
            (5, message("a")),
            (6, edit("e", "a")),
            (7, delete("d", "a")),
            (8, records.Members(id="m", conversation_id="c", sender_id="ana", added=("bruno",))),
        ],
        None,
        [],
        [("a", 1, False), ("e", 2, False), ("d", 3, False), ("m", 4, False)],
        0,
    ),
    "a receipt takes none": (
        [(5, records.Receipt(id="r", conversation_id="c", user_id="b", read_seq=1)), (6, message("a"))],
        head(3, 4),
        [],
        [("a", 4, False)],
        0,
    ),
}


@pytest.mark.parametrize(("arrivals", "at", "index", "expected", "repeats"), CASES.values(), ids=CASES)
def test_what_a_record_becomes(arrivals, at, index, expected, repeats):
    heads = {"c": at} if at else {}
    result = sequence([arrival(*one) for one in arrivals], heads, {one.message_id: one for one in index})
    assert result.stop is None
    assert placed(result) == expected
    assert result.repeats == repeats


STOPS = {
    "an unknown id before the head: the log went backwards": ([(2, message("new"))], head(3, 4), []),
    "an index that has another seq than the next one": ([(5, message("a"))], head(3, 4), [entry("a", 9, 5)]),
}


@pytest.mark.parametrize(("arrivals", "at", "index"), STOPS.values(), ids=STOPS)
def test_what_stops_a_partition(arrivals, at, index):
    done = [arrival(*one) for one in arrivals]
    result = sequence(done, {"c": at}, {one.message_id: one for one in index})
    assert result.stop is not None
    assert result.stop.offset == done[0].offset
    assert placed(result) == []


def test_what_came_before_a_stop_is_done():
    arrivals = [arrival(4, message("a")), arrival(3, message("new"))]
    result = sequence(arrivals, {"c": head(3, 4)}, {"a": entry("a", 3, 4)})
    assert placed(result) == [("a", 3, True)]
    assert result.stop is not None
    assert result.stop.offset == 3


PREVIEWS = {
    "a message": ([message("a", "hello")], "hello", False),
    "a long message is cut": ([message("a", "x" * 500)], "x" * 200, False),
    "an edit of the last message": ([message("a"), edit("e", "a", "new")], "new", False),
    "an edit of an earlier one": ([message("a"), message("b", "last"), edit("e", "a", "new")], "last", False),
    "a delete of the last message": ([message("a"), delete("d", "a")], "", True),
    "an edit after the delete": ([message("a"), delete("d", "a"), edit("e", "a", "undead")], "", True),
}


@pytest.mark.parametrize(("made", "content", "deleted"), PREVIEWS.values(), ids=PREVIEWS)
def test_the_preview_follows_its_message(made, content, deleted):
    result = sequence([arrival(offset, one) for offset, one in enumerate(made)], {}, {})
    preview = result.heads["c"].preview
    assert isinstance(preview, Preview)
    assert (preview.content, preview.deleted) == (content, deleted)


def test_an_edit_reaches_no_message_of_another_conversation():
    result = sequence([arrival(5, edit("e", "a"))], {}, {"a": entry("a", 1, 1, conversation="other")})
    assert result.changes == []
    assert result.placed[0].row.target_seq is None


def test_only_fresh_unkeyed_ids_beyond_the_head_are_not_looked_up():
    arrivals = [
        arrival(3, message("old")),
        arrival(6, message("fresh")),
        arrival(7, message("keyed", keyed=True)),
        arrival(8, edit("edit", "target")),
        arrival(9, records.Receipt(id="receipt", conversation_id="c", user_id="b")),
    ]
    assert ids_to_look_up(arrivals, {"c": head(3, 4)}) == {"old", "keyed", "target"}


def batch(*values, first=7):
    found = [LogRecord(first + turn, 1, b"c", value) for turn, value in enumerate(values)]
    return Batch(Assignment("t", 0), found)


def test_a_batch_is_taken_in_up_to_what_this_release_does_not_know():
    good, newer = records.encode(message("a")), b'{"kind":"poll","v":1}'
    intake = take_in(batch(good, b"garbage", newer, good), epoch=1)
    assert [one.offset for one in intake.arrivals] == [7]
    assert [(entry.value, dict(entry.headers)["origin-offset"]) for entry in intake.dead] == [(b"garbage", b"8")]
    assert intake.next_offset == 9
    assert intake.stop is not None
    assert intake.stop.offset == 9
    assert "upgrade" in intake.stop.reason
