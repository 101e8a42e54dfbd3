"""What a client may say. Unknown fields are ignored; anything else is answered with an error frame."""

from typing import Annotated, Any

import msgspec

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Resume(msgspec.Struct, tag="resume", tag_field="type", frozen=True):
    """The client was away. `cursors`: the highest seq that it has, by conversation; it has nothing of the others."""

    cursors: Annotated[dict[_Id, _Seq], msgspec.Meta(max_length=10_000)] = {}


class Ack(msgspec.Struct, tag="ack", tag_field="type", frozen=True):
    """The client's device has everything up to this seq."""

    conversation_id: _Id
    seq: _Seq


class Read(msgspec.Struct, tag="read", tag_field="type", frozen=True):
    """The client's user has read everything up to this seq."""

    conversation_id: _Id
    seq: _Seq


class Typing(msgspec.Struct, tag="typing", tag_field="type", frozen=True):
    """The client's user is typing in this conversation."""

    conversation_id: _Id


class Ping(msgspec.Struct, tag="ping", tag_field="type", frozen=True):
    """The client asks whether the server is there; pong is the answer."""


Speech = Resume | Ack | Read | Typing | Ping

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Speech)


def decode(frame: str) -> Speech:
    """Return what the client said. Raises msgspec.DecodeError with a sentence that names the field."""
    try:
        speech: Speech = _decoder.decode(frame)
    except (UnicodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"not well formed ({type(error).__name__})") from error
    return speech
