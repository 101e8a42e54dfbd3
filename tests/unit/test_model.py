"""Positions, ids, records, delivery states, frames: pure rules."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model import frames, ids, records
from chat4all.model.delivery import Cursor, State, lowest
from chat4all.model.errors import PROBLEMS, Refusal
from chat4all.model.positions import epoch_of, offset_of, position
from chat4all.model.rows import Row, iso

offsets = st.integers(0, 2**40 - 1)
epochs = st.integers(0, 2**22 - 1)


@given(st.tuples(epochs, offsets), st.tuples(epochs, offsets))
def test_positions_are_ordered_by_epoch_then_offset(one, other):
    assert (position(*one) < position(*other)) == (one < other)
    assert (epoch_of(position(*one)), offset_of(position(*one))) == one


@pytest.mark.parametrize(("epoch", "offset"), [(-1, 0), (0, -1), (0, 2**40), (2**22, 0)])
def test_a_position_that_would_collide_is_refused(epoch, offset):
    with pytest.raises(ValueError, match="outside"):
        position(epoch, offset)


SAME_REQUEST = [
    (b'{"a": 1, "b": [1, 2]}', b'{ "b":[1,2],"a":1}', True),
    (b'{"a": "\xc3\xa9"}', b'{"a": "\\u00e9"}', True),
    (b'{"a": 1}', b'{"a": "1"}', False),
    (b'{"a": [1, 2]}', b'{"a": [2, 1]}', False),
    (b"", b"{}", False),
]


@pytest.mark.parametrize(("one", "other", "same"), SAME_REQUEST)
def test_a_request_is_the_same_whatever_its_white_space_and_key_order(one, other, same):
    assert (ids.request_hash("POST", "/x", one) == ids.request_hash("POST", "/x", other)) is same


@pytest.mark.parametrize("other", [("bruno", "k", "h"), ("ana", "l", "h"), ("ana", "k", "i")])
def test_a_keyed_id_names_sender_key_and_request(other):
    assert ids.keyed_id("ana", "k", "h") == ids.keyed_id("ana", "k", "h") != ids.keyed_id(*other)


def test_sender_and_key_cannot_be_confused():
    assert ids.keyed_id("ana", "b", "h") != ids.keyed_id("an", "ab", "h")


def test_fresh_ids_rise():
    fresh = [ids.new_id() for _ in range(1000)]
    assert len(set(fresh)) == 1000
    assert [one[:13] for one in fresh] == sorted(one[:13] for one in fresh)


RECORDS = [
    records.Message(id="1", conversation_id="c", sender_id="ana", content="é مرحبا 🎉", keyed=True, reply_to="0"),
    records.Edit(id="2", conversation_id="c", sender_id="ana", target_id="1", content="x"),
    records.Delete(id="3", conversation_id="c", sender_id="ana", target_id="1"),
    records.Members(id="4", conversation_id="c", sender_id="ana", added=("bruno",), removed=("carla",)),
    records.Receipt(id="5", conversation_id="c", user_id="bruno", delivered_seq=3, read_seq=2),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_it_was(record):
    encoded = records.encode(record)
    assert records.decode(b"c", encoded) == record
    assert {"kind", "v"} <= json.loads(encoded).keys()


def test_fields_of_a_newer_writer_are_ignored():
    newer = json.loads(records.encode(RECORDS[0])) | {"mood": "good"}
    assert records.decode(b"c", json.dumps(newer).encode()) == RECORDS[0]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"kind":"message"}',
        b'{"v":1}',
        b'{"kind":"message","v":"1"}',
        b'{"kind":"message","v":0}',
        b'{"kind":"message","v":1,"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"kind":"message","v":1,"x":' + b"9" * 5000 + b"}",
        b'{"kind":"receipt","v":1,"id":"1","conversation_id":"c","user_id":"a","read_seq":9223372036854775808}',
        b'{"kind":"receipt","v":1,"id":"1","conversation_id":"c","user_id":"a","read_seq":-1}',
        b'{"kind":"message","v":1,"id":"1","conversation_id":"c","sender_id":"a"}',
        b'{"kind":"message","v":1,"id":"1","conversation_id":"other","sender_id":"a","content":"x"}',
    ],
)
def test_what_is_no_record_of_its_key_is_undecodable(value):
    with pytest.raises(records.UndecodableError):
        records.decode(b"c", value)


@pytest.mark.parametrize("value", [b'{"kind":"poll","v":1}', b'{"kind":"message","v":2}'])
def test_what_a_newer_release_wrote_is_not_undecodable_but_unsupported(value):
    with pytest.raises(records.UnsupportedError):
        records.decode(b"c", value)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_break_the_decoder(value):
    with pytest.raises((records.UndecodableError, records.UnsupportedError)):
        records.decode(b"c", value)


seqs = st.integers(0, 50)


@given(st.lists(st.tuples(seqs, seqs)), st.randoms(use_true_random=False))
def test_a_cursor_only_moves_forward_whatever_the_order(receipts, chance):
    cursor = Cursor()
    for delivered, read in receipts:
        moved = cursor.advanced(delivered, read)
        assert all(moved.state(seq).rank >= cursor.state(seq).rank for seq in range(1, 52))
        cursor = moved
    chance.shuffle(receipts)
    other = Cursor()
    for delivered, read in receipts:
        other = other.advanced(delivered, read)
    assert other == cursor


STATES = [
    ([], State.SENT),
    ([State.READ], State.READ),
    ([State.READ, State.DELIVERED], State.DELIVERED),
    ([State.READ, State.SENT], State.SENT),
    ([State.FAILED, State.READ], State.FAILED),
    ([State.FAILED, State.SENT], State.FAILED),
    ([State.SENT, State.ACCEPTED], State.ACCEPTED),
]


@pytest.mark.parametrize(("states", "status"), STATES)
def test_a_messages_status_is_the_lowest_of_its_recipients(states, status):
    assert lowest(states) is status


def test_a_time_is_utc_with_milliseconds():
    assert iso(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"


def row(**fields):
    base: dict[str, Any] = {"conversation_id": "c", "seq": 2, "kind": "message", "message_id": "m", "sender_id": "ana"}
    return Row(**base | {"created_at": 1, "position": 1, "content": "x"} | fields)


def test_a_deleted_message_has_no_content_whatever_was_written_later():
    assert frames.of_row(row(deleted_at=5, content="undead"), None)["content"] == ""


def test_an_edits_frame_shows_its_target_as_it_stands_now():
    edit = row(seq=3, kind="edit", message_id="e", target_seq=2, content="")
    assert frames.of_row(edit, row(content="now"))["content"] == "now"
    assert frames.of_row(edit, row(content="now", deleted_at=9))["content"] == ""
    assert frames.of_row(edit, None)["message_id"] is None


@given(st.text())
def test_a_frame_is_addressed_without_being_encoded_again(user):
    encoded = frames.encode({"type": "pong"})
    addressed = json.loads(frames.addressed(encoded, user.encode("utf-8", "ignore").decode()))
    assert addressed == {"to_user": user.encode("utf-8", "ignore").decode(), "type": "pong"}


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_error_says_what_and_what_to_do_next(code):
    refusal = Refusal(code, "a detail")
    assert 400 <= refusal.problem.status < 600
    assert refusal.problem.title
    assert refusal.problem.advice.endswith(".")
