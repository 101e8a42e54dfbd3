"""The records of topic chat4all.conversations: everything that happens to a conversation, in one order.

They are JSON with `kind` and `v`. Unknown fields are ignored, so a newer writer may add some without a new version.
"""

from typing import Annotated, Final

import msgspec

from chat4all.model.delivery import State
from chat4all.model.outbound import DeliveryKey

VERSION: Final = 1

Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Every record has these fields. `id` names the record; the router recognises repeats by it."""

    v: int = VERSION
    id: str
    conversation_id: str


class SequencedRecord(Record, frozen=True, kw_only=True):
    """A sequenced record takes a seq and a row.

    `keyed`: the id may occur again at another position (a client's or a relay's repeat), so it is always looked up.
    An id that is not keyed is a fresh UUIDv7 that was appended by one produce call.
    """

    sender_id: str
    keyed: bool = False


class Message(SequencedRecord, frozen=True, kw_only=True, tag="message"):
    """A user said something. `channels`: on which it may be sent beside the app; `reply_to`: a message id."""

    content: str
    channels: tuple[str, ...] = ("all",)
    reply_to: str | None = None


class Edit(SequencedRecord, frozen=True, kw_only=True, tag="edit"):
    """The content of message `target_id` was replaced."""

    target_id: str
    content: str


class Delete(SequencedRecord, frozen=True, kw_only=True, tag="delete"):
    """The message `target_id` was deleted by a user."""

    target_id: str


class Members(SequencedRecord, frozen=True, kw_only=True, tag="members"):
    """Members were changed, which the directory already knows: these usernames came and went."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Receipt(Record, frozen=True, kw_only=True, tag="receipt"):
    """A user's client has everything up to `delivered_seq`, the user has read up to `read_seq`. Takes no seq."""

    user_id: str
    delivered_seq: Seq = 0
    read_seq: Seq = 0


class DeliveryReceipt(Record, frozen=True, kw_only=True, tag="delivery"):
    """A connector reports the state of one part of a delivery. Takes no seq.

    `message_id`: to whose timeline it belongs; `at`: when, milliseconds since 1970; `parts`: the number of parts in
    which the text was sent, 0 where that is not known; `reason`: why it failed; `doubts`: the number of attempts in
    doubt.
    """

    message_id: str
    delivery: DeliveryKey
    connector: str
    destination: str
    state: State
    at: int
    parts: int = 0
    reason: str = ""
    doubts: int = 0


class Retry(Record, frozen=True, kw_only=True, tag="retry"):
    """A user wants the failed deliveries of a message to be made again. Takes no seq."""

    message_id: str
    user_id: str


AnyRecord = Message | Edit | Delete | Members | Receipt | DeliveryReceipt | Retry
AnySequenced = Message | Edit | Delete | Members

_KINDS: Final = frozenset({"message", "edit", "delete", "members", "receipt", "delivery", "retry"})


class UndecodableError(ValueError):
    """The bytes are no record, which the bytes alone decide. They go to the dead letters."""


class UnsupportedError(ValueError):
    """The record has a kind or version of a newer release. Its partition stops until this process is upgraded."""


class _Envelope(msgspec.Struct):
    kind: str
    v: Annotated[int, msgspec.Meta(ge=1)]


# RecursionError: JSON nested thousands deep; ValueError: a number of thousands of digits, or text that is not UTF-8.
_DECODE_ERRORS: Final = (msgspec.DecodeError, ValueError, RecursionError)

_encoder = msgspec.json.Encoder()
_envelope = msgspec.json.Decoder(_Envelope)
_record = msgspec.json.Decoder(AnyRecord)


def encode(record: Record) -> bytes:
    """Return the record as it stands in the log."""
    return _encoder.encode(record)


def decode(key: bytes, value: bytes) -> AnyRecord:
    """Return the record in a log entry of this key.

    Raises UndecodableError where the bytes are no record or belong to another conversation than the key says (such a
    record would not be in the order of its conversation), UnsupportedError for an unknown kind or newer version.
    """
    try:
        envelope = _envelope.decode(value)
    except _DECODE_ERRORS as error:
        raise UndecodableError(str(error)) from error
    if envelope.kind not in _KINDS or envelope.v > VERSION:
        raise UnsupportedError(f"kind {envelope.kind!r} version {envelope.v} is newer than this release")
    try:
        record: AnyRecord = _record.decode(value)
    except _DECODE_ERRORS as error:
        raise UndecodableError(str(error)) from error
    if record.conversation_id.encode() != key:
        raise UndecodableError("the record's conversation is not its key")
    return record
