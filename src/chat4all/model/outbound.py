"""What leaves the app: who gets a record where, how it goes on its way, and what became of it.

A plan says it once for a record. From the plan come records of topic chat4all.outbound.<connector>, keyed by the chat;
a connector makes attempts at each and tells what came of them by receipts in the conversation's own topic.
"""

import uuid
from typing import Final, Literal

import msgspec

from chat4all.model.delivery import State
from chat4all.model.positions import Position

_DELIVERY: Final = uuid.UUID("7d2f0b9e-3c51-5c0a-9d68-6a0f1be2c4d3")  # the namespace of ids of deliveries


STATE_COLUMNS: Final = {
    State.SENT: "sent_at",
    State.DELIVERED: "delivered_at",
    State.READ: "read_at",
    State.FAILED: "failed_at",
}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets it, by which link: at which connector, in which chat. `label`: the sender's name before the text.

    `generation`: of the message's deliveries, which one it makes, or for an edit or a delete which one it changes.
    `reason`: why it does not go, a code of the table of reasons; empty: it goes.
    """

    recipient: str
    link: str
    connector: str
    destination: str
    label: str = ""
    generation: int = 0
    reason: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Made once for a record, and never changed. `message_id`: under whose id the deliveries stand; a retry's are the
    message's, an edit and a delete have their own."""

    record_id: str
    message_id: str
    targets: tuple[Target, ...] = ()


class DeliveryKey(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a record for one recipient by one link, in one generation."""

    record_id: str
    recipient: str
    link: str
    part: int = 0
    generation: int = 0

    @property
    def id(self) -> str:
        """The same wherever it is computed."""
        place = [self.record_id, self.recipient, self.link, self.part, self.generation]
        return str(uuid.uuid5(_DELIVERY, msgspec.json.encode(place).decode()))


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one part. Times are milliseconds since 1970, None where it has not happened.

    `parts`: in how many parts the text went; nought: not yet known. `reason`: why it failed.
    """

    key: DeliveryKey
    connector: str = ""
    destination: str = ""
    parts: int = 0
    sent_at: int | None = None
    delivered_at: int | None = None
    read_at: int | None = None
    failed_at: int | None = None
    reason: str = ""

    @property
    def state(self) -> State:
        """`read > delivered > failed > sent`, of what is known; accepted: it is on its way."""
        if self.read_at is not None:
            return State.READ
        if self.delivered_at is not None:
            return State.DELIVERED
        if self.failed_at is not None:
            return State.FAILED
        return State.SENT if self.sent_at is not None else State.ACCEPTED

    @property
    def at(self) -> int | None:
        """When it came to that state, ms; None: it has not come to one."""
        column = STATE_COLUMNS.get(self.state)
        return None if column is None else getattr(self, column)


class DeliveryWrite(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of a delivery that a record sets; None: not that one."""

    key: DeliveryKey
    position: Position
    connector: str | None = None
    destination: str | None = None
    parts: int | None = None
    sent_at: int | None = None
    delivered_at: int | None = None
    read_at: int | None = None
    failed_at: int | None = None
    reason: str | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt.

    `outcome`: sent, with the provider's id; failed for good, with the reason; or refused for now, so that it was
    certainly not done and another attempt is no repeat.
    """

    outcome: Literal["sent", "failed", "refused"]
    external_id: str = ""
    reason: str = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A try at a delivery, claimed before it is made. `lease`: until when it may take, ms; `uncertain`: nobody will
    ever know whether it was made."""

    n: int
    token: str
    lease: int
    result: Result | None = None
    uncertain: bool = False


class ExternalMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's message is here. `external_id` is unique in its chat only."""

    connector: str
    chat: str
    external_id: str
    conversation_id: str
    message_id: str
    delivery: DeliveryKey | None = None


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A provider has told something of a message of ours that is perhaps not known to be ours yet. `at`: ms."""

    connector: str
    chat: str
    external_id: str
    state: State
    at: int
    reason: str = ""


class Outbound(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """A record of an outbound topic; its key is `destination`. `record_id`: of the record that caused it."""

    v: int = 1
    record_id: str
    message_id: str
    conversation_id: str
    recipient: str
    link: str
    generation: int
    destination: str


class Send(Outbound, frozen=True, kw_only=True, tag="send"):
    """A text to be sent, in as many parts as it takes. `answers`: the id of the message that it replies to."""

    text: str
    answers: str | None = None


class Edit(Outbound, frozen=True, kw_only=True, tag="edit"):
    """A text that was sent is another now. `sent_generation`: of the message's deliveries, the one to be changed."""

    text: str
    sent_generation: int = 0


class Delete(Outbound, frozen=True, kw_only=True, tag="delete"):
    """What was sent is to be taken back."""

    sent_generation: int = 0


AnyOutbound = Send | Edit | Delete
