"""What people write on a channel becomes records of the conversations it belongs to.

A provider is told that we have something only when `take` has returned: it is in the log then. Told again, the same
event has the same id, and makes nothing new.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from chat4all.channels.kit.events import AnyEvent, Group, Progress, Received, Revised, Standing, Unsupported
from chat4all.connectors.early_receipts import EarlyReceipts
from chat4all.directory.channels import ChannelDirectory, InboundOrigin
from chat4all.directory.port import Notice
from chat4all.log.port import CONVERSATIONS, EVENTS, Entry, Log
from chat4all.model import records
from chat4all.model.ids import effect_id, inbound_id, is_contact
from chat4all.model.outbound import ExternalMessage
from chat4all.store.ledger import Ledger
from chat4all.telemetry.metrics import Metrics
from chat4all.telemetry.traces import Traces

_log = logging.getLogger(__name__)

_REACHED_MS: Final = 7 * 86_400_000  # a conversation that reached a chat so lately may be meant
_CODE_MS: Final = 3_600_000  # for which a code can be shown
_MAX_KINDS: Final = 50  # kinds that are counted by name; others are counted together
_MAX_CHARACTERS: Final = 10_000  # characters of a message

_WHICH: Final = "You have several conversations with us. Please answer by quoting the message that you mean."
_NO_GROUPS: Final = "I cannot talk in groups yet. Please write to me directly."
_LINKED: Final = "Thank you. You are {username} here now. If that is not you, tell us."
_WRONG_CODE: Final = "This code is not known, or not yours."

Reply = Callable[[str, str], Awaitable[None]]  # to this chat, this text; best effort


class Inbound:
    """Takes in what a provider tells one connector. `inbox`: who is in a new conversation; `reply`: how the connector
    itself answers a chat; `on_outbox_change`: called when the outbox may have something new."""

    def __init__(
        self,
        *,
        connector: str,
        channel: str,
        inbox: Sequence[str],
        channels: ChannelDirectory,
        ledger: Ledger,
        log: Log,
        reply: Reply,
        on_outbox_change: Callable[[], None],
        metrics: Metrics,
        traces: Traces | None = None,
    ) -> None:
        self._connector = connector
        self._channel = channel
        self._inbox = tuple(inbox)
        self._channels = channels
        self._ledger = ledger
        self._log = log
        self._reply = reply
        self._on_outbox_change = on_outbox_change
        self._metrics = metrics
        self._traces = traces or Traces()
        self.early = EarlyReceipts(connector=connector, ledger=ledger, log=log)
        self.unsupported: Counter[str] = Counter()

    async def take(self, events: Sequence[AnyEvent]) -> None:
        """Keep them, in their order, but edits last: one may have overtaken what it changes.

        Raises EngineUnavailableError, and NoSuchMembersError for a wrong inbox.
        """
        for event in sorted(events, key=lambda one: isinstance(one, Revised)):
            with self._traces.span("receive", connector=self._connector):
                await self._take(event)
            self._metrics.inbound.labels(self._connector, type(event).__name__.lower()).inc()

    async def _take(self, event: AnyEvent) -> None:
        match event:
            case Received():
                await self._receive(event)
            case Revised():
                await self._revise(event)
            case Standing():
                person, origin = event.sender.external_id, (f"standing {event.event_id}", event.at)
                await self._channels.set_reachable(
                    self._connector, person, reachable=event.reachable, reason="Blocked", event=origin
                )
            case Progress():
                await self.early.take(event)
            case Group():
                if await self._channels.first_time(self._connector, f"group {event.chat}", event.at):
                    await self._reply(event.chat, _NO_GROUPS)
            case Unsupported():
                self._leave(event.kind)

    def _leave(self, kind: str) -> None:
        """Count an event of a kind that nothing is done about."""
        known = kind if kind in self.unsupported or len(self.unsupported) < _MAX_KINDS else "other"
        self.unsupported[known] += 1
        self._metrics.unsupported.labels(self._connector, known).inc()

    async def _receive(self, event: Received) -> None:
        command, _, code = event.text.partition(" ")
        if command == "/start":
            await self._channels.set_reachable(self._connector, event.sender.external_id, reachable=True, reason="")
            if code.strip():
                await self._prove(event, code.strip())
            return
        quoted = await self._quoted(event)
        placed = await self._channels.place(self._arrival(event, quoted), lambda made: self._created(event, made))
        self._on_outbox_change()
        message_id = inbound_id(self._connector, event.event_id)
        answers = quoted is not None and quoted.conversation_id == placed.conversation_id
        record = records.Message(
            id=message_id,
            conversation_id=placed.conversation_id,
            sender_id=placed.username,
            keyed=True,
            content=event.text[:_MAX_CHARACTERS],
            reply_to=quoted.message_id if quoted is not None and answers else None,
        )
        await self._append(record)
        await self._know(event, placed.conversation_id, message_id)
        if placed.ambiguous and not placed.repeated:
            day = event.at // 86_400_000
            if await self._channels.first_time(self._connector, f"which {event.chat} {day}", event.at):
                await self._reply(event.chat, _WHICH)

    async def _prove(self, event: Received, code: str) -> None:
        """Whoever shows a code proves that they are the user for whom it was made."""
        link = await self._channels.prove_link(
            self._connector, event.sender.external_id, code, since=event.at - _CODE_MS
        )
        if link is not None:
            await self._reply(event.chat, _LINKED.format(username=link.username))
            return
        user = await self._channels.user_of(self._connector, event.sender.external_id)
        # Whoever is somebody already has shown the code before, and is told nothing again.
        known = user is not None and not is_contact(user)
        if not known and await self._channels.first_time(self._connector, f"code {event.event_id}", event.at):
            await self._reply(event.chat, _WRONG_CODE)

    async def _revise(self, event: Revised) -> None:
        """An edit of something that we do not know is an edit of nothing."""
        known = await self._ledger.external(self._connector, event.chat, [event.external_id])
        username = await self._channels.user_of(self._connector, event.sender.external_id)
        if event.external_id not in known or username is None:
            self._leave("edit of an unknown message")
            return
        message = known[event.external_id]
        await self._append(
            records.Edit(
                id=inbound_id(self._connector, event.event_id),
                conversation_id=message.conversation_id,
                sender_id=username,
                keyed=True,
                target_id=message.message_id,
                content=event.text[:_MAX_CHARACTERS],
            )
        )

    async def _quoted(self, event: Received) -> ExternalMessage | None:
        if event.quotes is None:
            return None
        return (await self._ledger.external(self._connector, event.chat, [event.quotes])).get(event.quotes)

    def _arrival(self, event: Received, quoted: ExternalMessage | None) -> InboundOrigin:
        return InboundOrigin(
            connector=self._connector,
            channel=self._channel,
            event_id=event.event_id,
            chat=event.chat,
            external_id=event.sender.external_id,
            name=event.sender.name,
            at=event.at,
            since=event.at - _REACHED_MS,
            inbox=self._inbox,
            quoted=quoted.conversation_id if quoted is not None else None,
        )

    def _created(self, event: Received, conversation_id: str) -> Notice:
        """What is told to other systems if a conversation is made of it."""
        event_of_creation = {
            "v": 1,
            "kind": "conversation.created",
            "id": effect_id(0, conversation_id),
            "conversation_id": conversation_id,
            "at": event.at,
            "sender_id": self._connector,
        }
        return Notice(topic=EVENTS, key=conversation_id, value=msgspec.json.encode(event_of_creation))

    async def _append(self, record: records.SequencedRecord) -> None:
        await self._log.append([Entry(CONVERSATIONS, record.conversation_id.encode(), records.encode(record))])

    async def _know(self, event: Received, conversation_id: str, message_id: str) -> None:
        known = ExternalMessage(
            connector=self._connector,
            chat=event.chat,
            external_id=event.external_id,
            conversation_id=conversation_id,
            message_id=message_id,
        )
        await self._ledger.put_external([known])
