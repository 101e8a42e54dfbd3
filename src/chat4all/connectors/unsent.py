"""What a connector that is gone has not sent: it is told as failed, so that nothing is on its way for ever."""

import time
from collections.abc import Sequence
from typing import Final

import msgspec

from chat4all.channels.kit.manifest import Capabilities
from chat4all.channels.kit.splitting import split
from chat4all.connectors.receipts import key_of, receipt
from chat4all.log.port import CONVERSATIONS, Entry, Log, outbound_topic
from chat4all.model import outbound, records
from chat4all.model.outbound import AnyOutbound, Result
from chat4all.store.ledger import Ledger

_BATCH_RECORDS: Final = 200
_END_SECONDS: Final = 0.5  # without a record after which there are no more

_decode = msgspec.json.Decoder(AnyOutbound).decode


async def give_up(log: Log, ledger: Ledger, connector: str, can: Capabilities | None) -> None:
    """Read what is left for it, in its own group, and tell of each. Raises EngineUnavailableError.

    A process of the connector that still runs shares the group: what it has taken, it ends. `can`: its channel's, if
    that is still installed.
    """
    topic = outbound_topic(connector).name
    if not await log.partitions(topic):
        return
    consumer = log.consumer(f"chat4all.connector.{connector}", topic)
    try:
        while batches := await consumer.poll(max_records=_BATCH_RECORDS, timeout=_END_SECONDS):
            left = [one.value for batch in batches for one in batch.records]
            told = [one for value in left for one in await _told(ledger, connector, can, value)]
            await log.append([Entry(CONVERSATIONS, one.conversation_id.encode(), records.encode(one)) for one in told])
            await consumer.commit({batch.assignment: batch.records[-1].offset + 1 for batch in batches})
    finally:
        await consumer.close()


async def _told(
    ledger: Ledger, connector: str, can: Capabilities | None, value: bytes
) -> Sequence[records.DeliveryReceipt]:
    """Of each part that came to an end, and of the first one that did not."""
    try:
        record: AnyOutbound = _decode(value)
    except (msgspec.DecodeError, ValueError):
        return ()
    parts = _parts(record, can)
    told = []
    for part in range(parts):
        key = key_of(record, part)
        results = [one.result for one in await ledger.attempts(key.id) if one.result is not None]
        done = next((one for one in results if one.outcome != "refused"), None)
        result = done or Result(outcome="failed", reason="ConnectorDeleted")
        told.append(receipt(connector, record, key, result, parts=parts, at=time.time_ns() // 1_000_000))
        if result.outcome == "failed":
            break
    return told


def _parts(record: AnyOutbound, can: Capabilities | None) -> int:
    if can is None or not isinstance(record, outbound.OutboundSend):
        return 1
    return max(1, len(split(record.text, can.max_text, can.unit)))
