"""Receipts: what a connector tells of deliveries, as records of the conversation's topic."""

import uuid
from typing import Final

from chat4all.model import outbound, records
from chat4all.model.delivery import State
from chat4all.model.outbound import AnyOutbound, DeliveryKey, ExternalMessage, Pending, Result

_RECEIPT: Final = uuid.UUID("9d4e7c20-51ab-5f3e-8b7d-3c6a0e2f1d58")  # the namespace of receipts' ids


def key_of(record: AnyOutbound, part: int) -> DeliveryKey:
    """A message's deliveries stand under its id, an edit's and a delete's under their own."""
    is_send = isinstance(record, outbound.OutboundSend)
    return DeliveryKey(
        record_id=record.message_id if is_send else record.record_id,
        recipient=record.recipient,
        link=record.link,
        part=part,
        generation=record.generation if is_send else 0,
    )


def progress(told: Pending, message: ExternalMessage) -> records.DeliveryReceipt | None:
    """What a provider tells of a message that is known; None where it is not one of ours."""
    if message.delivery is None:
        return None
    return records.DeliveryReceipt(
        id=str(uuid.uuid5(_RECEIPT, f"{message.delivery.id} {told.state}")),
        conversation_id=message.conversation_id,
        message_id=message.message_id,
        delivery=message.delivery,
        connector=told.connector,
        destination=told.chat,
        state=told.state,
        at=told.at,
        reason=told.reason,
    )


def receipt(
    connector: str, record: AnyOutbound, key: DeliveryKey, result: Result, *, parts: int, at: int, doubts: int = 0
) -> records.DeliveryReceipt:
    """What came of a part. `at`: ms; the same result has the same id."""
    state = State.SENT if result.outcome == "sent" else State.FAILED
    return records.DeliveryReceipt(
        id=str(uuid.uuid5(_RECEIPT, f"{key.id} {state}")),
        conversation_id=record.conversation_id,
        message_id=record.message_id,
        delivery=key,
        connector=connector,
        destination=record.destination,
        state=state,
        at=at,
        parts=parts,
        reason=result.reason if state is State.FAILED else "",
        doubts=doubts,
    )
