"""What a connector that goes has not sent is told as failed, and passed over only then."""

from pathlib import Path

import pytest

from chat4all.connectors.unsent import give_up
from chat4all.log.embedded import EmbeddedLog
from chat4all.log.port import CONVERSATIONS, Entry, Topic, outbound_topic
from chat4all.model import records
from chat4all.model.delivery import State
from chat4all.model.errors import EngineUnavailableError
from chat4all.store.embedded.ledger import EmbeddedLedger

GONE = "local.gone"
SEND = (
    b'{"kind":"send","record_id":"r","message_id":"m","conversation_id":"c","recipient":"bruno","link":"l",'
    b'"generation":0,"destination":"7","text":"hi"}'
)
NOTHING_MORE = "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"


async def test_what_is_given_up_is_told_although_the_log_did_not_take_it_at_first(tmp_path: Path) -> None:
    """A log that takes no records may take what a group has read."""
    log, ledger = EmbeddedLog(tmp_path / "log.db"), EmbeddedLedger(tmp_path / "ledger.db")
    await log.open()
    await ledger.open()
    topic = outbound_topic(GONE)
    await log.create([Topic(CONVERSATIONS, 1, 1e9), topic])
    await log.append([Entry(topic.name, b"7", SEND)])
    await log._database.write(lambda connection: connection.execute(NOTHING_MORE))
    with pytest.raises(EngineUnavailableError, match="the disk is full"):
        await give_up(log, ledger, GONE, None)
    await log._database.write(lambda connection: connection.execute("DROP TRIGGER full"))
    await give_up(log, ledger, GONE, None)
    (told,) = [records.decode(one.key, one.value) for one in await log.read(CONVERSATIONS, 0, offset=0, limit=2)]
    assert isinstance(told, records.DeliveryReceipt)
    assert (told.message_id, told.state, told.reason) == ("m", State.FAILED, "ConnectorDeleted")
    await log.close()
    await ledger.close()
