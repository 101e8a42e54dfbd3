"""What leaves the app: who gets a record on which channel, and what became of each delivery.

A plan decides it once for a record. From the plan come records of topic chat4all.outbound.<connector>, keyed by the
chat. A connector makes attempts at each, and reports the results by receipts in the conversation's own topic.
"""

import uuid
from typing import Final, Literal

import msgspec

from chat4all.model.delivery import State
from chat4all.model.positions import Position

_DELIVERY_NAMESPACE: Final = uuid.UUID("7d2f0b9e-3c51-5c0a-9d68-6a0f1be2c4d3")

STATE_COLUMNS: Final = {
    State.SENT: "sent_at",
    State.DELIVERED: "delivered_at",
    State.READ: "read_at",
    State.FAILED: "failed_at",
}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A target says who gets a record by which link, at which connector and in which chat.

    `label`: the sender's name, to be put before the text; `generation`: which of the message's deliveries is made, or
    changed by an edit or a delete; `reason`: a code of the table of reasons why nothing is sent, empty if it is sent.
    """

    recipient: str
    link: str
    connector: str
    destination: str
    label: str = ""
    generation: int = 0
    reason: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan is made once for a record, and never changed. `message_id`: the id under which its deliveries are stored;
    those of a retry are the message's, an edit and a delete have their own."""

    record_id: str
    message_id: str
    targets: tuple[Target, ...] = ()


class DeliveryKey(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery key names one part of a record for one recipient by one link, in one generation."""

    record_id: str
    recipient: str
    link: str
    part: int = 0
    generation: int = 0

    @property
    def id(self) -> str:
        """The id of this delivery is the same wherever it is computed."""
        place = [self.record_id, self.recipient, self.link, self.part, self.generation]
        return str(uuid.uuid5(_DELIVERY_NAMESPACE, msgspec.json.encode(place).decode()))


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery says what became of one part. Times are milliseconds since 1970, None for what has not happened.

    `parts`: the number of parts in which the text was sent, 0 while that is not known; `reason`: why it failed.
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
        """The state is the first of read, delivered, failed and sent that has happened, else accepted: it is on its
        way."""
        if self.read_at is not None:
            return State.READ
        if self.delivered_at is not None:
            return State.DELIVERED
        if self.failed_at is not None:
            return State.FAILED
        return State.SENT if self.sent_at is not None else State.ACCEPTED

    @property
    def at(self) -> int | None:
        """This is the time of the state in ms, or None while the state is accepted."""
        column = STATE_COLUMNS.get(self.state)
        return None if column is None else getattr(self, column)


class DeliveryWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery write holds the columns that a record sets. A column that is None is left alone."""

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
    """A result says how an attempt ended.

    `outcome`: sent, with the provider's id; failed for good, with the reason; or refused for now, which means that
    nothing was sent and another attempt is no repeat.
    """

    outcome: Literal["sent", "failed", "refused"]
    external_id: str = ""
    reason: str = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt is one try to send one part, claimed before it is made. `lease`: until when it may take, ms;
    `uncertain`: nobody will ever know whether it was made."""

    n: int
    token: str
    lease: int
    result: Result | None = None
    uncertain: bool = False


class ExternalMessage(msgspec.Struct, frozen=True, kw_only=True):
    """An external message says which message of ours a provider's message is. `external_id` is unique in its chat
    only."""

    connector: str
    chat: str
    external_id: str
    conversation_id: str
    message_id: str
    delivery: DeliveryKey | None = None


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A pending receipt is a provider's report on a message that we perhaps do not know to be ours yet. `at`: ms."""

    connector: str
    chat: str
    external_id: str
    state: State
    at: int
    reason: str = ""


class Outbound(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """An outbound record stands in a connector's topic; its key is `destination`. `record_id`: of the record that
    caused it."""

    v: int = 1
    record_id: str
    message_id: str
    conversation_id: str
    recipient: str
    link: str
    generation: int
    destination: str


class OutboundSend(Outbound, frozen=True, kw_only=True, tag="send"):
    """A text is to be sent, in as many parts as it takes. `answers`: the id of the message that it replies to."""

    text: str
    answers: str | None = None


class OutboundEdit(Outbound, frozen=True, kw_only=True, tag="edit"):
    """A text that was sent is to be replaced. `sent_generation`: of the message's deliveries, the one to be changed."""

    text: str
    sent_generation: int = 0


class OutboundDelete(Outbound, frozen=True, kw_only=True, tag="delete"):
    """A message that was sent is to be deleted. `sent_generation`: of its deliveries, the one to be deleted."""

    sent_generation: int = 0


AnyOutbound = OutboundSend | OutboundEdit | OutboundDelete
