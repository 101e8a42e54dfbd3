"""Dead letters: entries of the log that could not be read as what they should be. They are looked at, and put back.

Putting one back is safe to repeat: a record is put back as one whose id is always looked up, and what a connector finds
twice it knows by its attempts.
"""

from typing import Final

import msgspec

from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, OUTBOUND, Entry, Log, LogRecord
from chat4all.model import records
from chat4all.model.errors import Refusal
from chat4all.model.outbound import AnyOutbound

_outbound: Final = msgspec.json.Decoder(AnyOutbound)


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Holds an entry that could not be read. `at`: when it was set aside, ms; `topic`, `partition`, `offset`: where it
    stood; `reason`: what was wrong."""

    number: int
    at: int
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    reason: str


class DeadLetters:
    """Reads and replays dead letters. Their topic has one partition, so a number names one. Every method raises
    EngineUnavailableError."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def page(self, *, after: int, limit: int) -> list[DeadLetter]:
        """Return at most `limit` dead letters with a number above `after`, the lowest first."""
        return [_letter(one) for one in await self._log.read(DEAD_LETTERS, 0, offset=after + 1, limit=limit)]

    async def one(self, number: int) -> DeadLetter:
        """Return the dead letter with this number. Raises Refusal not-found."""
        page = await self._log.read(DEAD_LETTERS, 0, offset=number, limit=1)
        if not page or page[0].offset != number:
            raise Refusal("not-found", "There is no such dead letter.")
        return _letter(page[0])

    async def replay(self, number: int) -> None:
        """Append it to the topic that it came from. Raises Refusal not-found; conflict while it is still unreadable."""
        letter = await self.one(number)
        try:
            value = _readable(letter)
        except (records.UndecodableError, records.UnsupportedError, msgspec.DecodeError, ValueError) as error:
            raise Refusal("conflict", f"It still cannot be read: {error}.") from error
        try:
            await self._log.append([Entry(letter.topic, letter.key, value)])
        except LookupError as error:
            raise Refusal("conflict", f"The topic {letter.topic} is not there any more.") from error


def _readable(letter: DeadLetter) -> bytes:
    if letter.topic == CONVERSATIONS:
        record = records.decode(letter.key, letter.value)
        if isinstance(record, records.SequencedRecord):
            record = msgspec.structs.replace(record, keyed=True)
        return records.encode(record)
    if letter.topic.startswith(OUTBOUND):
        _outbound.decode(letter.value)
        return letter.value
    raise ValueError(f"nobody reads {letter.topic or 'an unknown topic'}")


def _letter(record: LogRecord) -> DeadLetter:
    origin = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    return DeadLetter(
        number=record.offset,
        at=record.timestamp,
        topic=origin.get("origin-topic", ""),
        partition=int(origin.get("origin-partition", "0")),
        offset=int(origin.get("origin-offset", "0")),
        key=record.key,
        value=record.value,
        reason=origin.get("reason", ""),
    )
