"""Dead letters: what can be put back, and that putting back twice does nothing twice."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat4all.conversations.dead_letters import DeadLetters
from chat4all.log.embedded import EmbeddedLog
from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, OUTBOUND, Assignment, Entry, LogRecord, Topic, dead_letter
from chat4all.model import records
from chat4all.model.errors import Refusal

MESSAGE = records.encode(records.Message(id="m", conversation_id="c", sender_id="ana", content="hi"))
SEND = (
    b'{"kind":"send","record_id":"r","message_id":"m","conversation_id":"c","recipient":"bruno","link":"l",'
    b'"generation":0,"destination":"7","text":"hi"}'
)
CASES = [
    ("a message that is one after all", CONVERSATIONS, b"c", MESSAGE, None),
    ("what is no record", CONVERSATIONS, b"c", b"{", "still cannot be read"),
    ("a record of another conversation", CONVERSATIONS, b"d", MESSAGE, "not its key"),
    ("what a connector sends", f"{OUTBOUND}local.x", b"7", SEND, None),
    ("what no connector sends", f"{OUTBOUND}local.x", b"7", b"{}", "still cannot be read"),
    ("of a connector that is gone", f"{OUTBOUND}local.gone", b"7", SEND, "not there any more"),
    ("of a topic that nobody reads", "chat4all.other", b"7", b"{}", "nobody reads"),
]


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    made = EmbeddedLog(tmp_path / "log.db")
    await made.open()
    await made.create([Topic(name, 1, 1e9) for name in (CONVERSATIONS, DEAD_LETTERS, f"{OUTBOUND}local.x")])
    yield made
    await made.close()


@pytest.mark.parametrize("case", CASES, ids=[one[0] for one in CASES])
async def test_what_can_be_read_is_put_back(log: EmbeddedLog, case: tuple[str, str, bytes, bytes, str | None]) -> None:
    _, topic, key, value, refused = case
    await log.append([dead_letter(Assignment(topic, 0), LogRecord(5, 1, key, value), "it was odd")])
    letters = DeadLetters(log)
    (letter,) = await letters.page(after=-1, limit=10)
    assert (letter.topic, letter.offset, letter.value, letter.reason) == (topic, 5, value, "it was odd")
    assert await letters.one(0) == letter
    if refused is not None:
        with pytest.raises(Refusal, match=refused):
            await letters.replay(0)
        return
    await letters.replay(0)
    (back,) = await log.read(topic, 0, offset=0, limit=10)
    assert back.key == key
    if topic == CONVERSATIONS:
        record = records.decode(back.key, back.value)
        assert isinstance(record, records.Message)
        assert record.keyed, "its id is looked up: put back twice, it is one message"
    else:
        assert back.value == value


async def test_pages_go_on_where_they_ended(log: EmbeddedLog) -> None:
    await log.append([Entry(DEAD_LETTERS, b"k", bytes([i])) for i in range(5)])
    letters = DeadLetters(log)
    assert [one.number for one in await letters.page(after=1, limit=2)] == [2, 3]
    assert await letters.page(after=4, limit=2) == []
    with pytest.raises(Refusal, match="no such dead letter"):
        await letters.one(5)
