"""What a client may say. Unknown fields are ignored; anything else is answered with an error frame."""

from typing import Annotated, Any

import msgspec

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Resume(msgspec.Struct, tag="resume", tag_field="type", frozen=True):
    """I was away: the highest seq that I have, by conversation. What is not named, I have nothing of."""

    cursors: Annotated[dict[_Id, _Seq], msgspec.Meta(max_length=10_000)] = {}


class Ack(msgspec.Struct, tag="ack", tag_field="type", frozen=True):
    """My device has everything up to this seq."""

    conversation_id: _Id
    seq: _Seq


class Read(msgspec.Struct, tag="read", tag_field="type", frozen=True):
    """I have read everything up to this seq."""

    conversation_id: _Id
    seq: _Seq


class Typing(msgspec.Struct, tag="typing", tag_field="type", frozen=True):
    """I am writing."""

    conversation_id: _Id


class Ping(msgspec.Struct, tag="ping", tag_field="type", frozen=True):
    """Are you there? Answered with pong."""


Speech = Resume | Ack | Read | Typing | Ping

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Speech)


def decode(frame: str) -> Speech:
    """What was said. Raises msgspec.DecodeError with a sentence that names the field."""
    try:
        said: Speech = _decoder.decode(frame)
    except (UnicodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"not well formed ({type(error).__name__})") from error
    return said
