"""The courier: takes what the router hands over for a connector, part by part, to the provider, and tells what became
of it. All that is decided about errors of providers is decided here and in `attempts`.

A record may come again, after a crash or when the router did its work again: what was done is known by its attempts,
and is told again, not done again.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from cachetools import TTLCache

from chat4all.backoff import Backoff
from chat4all.channels.kit import errors
from chat4all.channels.kit.manifest import Capabilities
from chat4all.channels.kit.port import Channel, Part
from chat4all.channels.kit.splitting import split
from chat4all.connectors.attempts import Attempts, Done, Later
from chat4all.connectors.early_receipts import EarlyReceipts
from chat4all.connectors.health import Trouble, trouble_of
from chat4all.connectors.receipts import key_of, receipt
from chat4all.connectors.throttling import Throttling
from chat4all.directory.channels import ChannelDirectory
from chat4all.limits.port import Limits
from chat4all.log.port import CONVERSATIONS, Entry, Log
from chat4all.model import outbound, records
from chat4all.model.outbound import AnyOutbound, DeliveryKey, ExternalMessage, Result
from chat4all.model.rates import Rate
from chat4all.store.ledger import Ledger

_log = logging.getLogger(__name__)

_BACKOFF: Final = Backoff(first_seconds=1.0, max_seconds=60.0)
_REPAIR_SECONDS: Final = 30.0  # at least between tries, where somebody has to fix the account first
_REACHED_SECONDS: Final = 3600.0  # for which it is not written down again that a conversation reached a chat
_MAX_REACHED: Final = 100_000  # chats and conversations
_GONE: Final = {"Blocked", "Deactivated", "NotFound", "NeverStarted", "Removed", "IsBot"}


class Courier:
    """Of one connector. `per_second`: the connector's own limit, in place of its channel's; `share`: among how many
    processes it is divided while they cannot count together."""

    def __init__(
        self,
        *,
        connector: str,
        channel: Channel,
        capabilities: Capabilities,
        attempts: Attempts,
        ledger: Ledger,
        log: Log,
        channels: ChannelDirectory,
        limits: Limits,
        per_second: Rate | None = None,
        share: Callable[[], int | None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connector = connector
        self._channel = channel
        self._can = capabilities
        self._attempts = attempts
        self._ledger = ledger
        self._log = log
        self._channels = channels
        self._limits = limits
        self._per_connector = per_second or capabilities.per_connector
        self._share = share
        self._clock = clock
        self._early = EarlyReceipts(connector=connector, ledger=ledger, log=log)
        self._turns: set[str] = set()
        self._failures: dict[str, int] = {}  # in a row, by chat
        # Which conversation is known to reach which chat.
        self._reached: TTLCache[tuple[str, str], None] = TTLCache(_MAX_REACHED, _REACHED_SECONDS, timer=clock)
        self.throttling = Throttling(clock=clock)
        self.trouble: Trouble | None = None  # what stands in the way of everything

    async def take(self, record: AnyOutbound) -> float | None:
        """Do what it says. None: it has come to an end; else the seconds after which to take it again.

        Raises EngineUnavailableError.
        """
        match record:
            case outbound.OutboundSend():
                return await self._send(record)
            case outbound.OutboundEdit():
                return await self._edit(record)
        return await self._delete(record)

    async def _send(self, record: outbound.OutboundSend) -> float | None:
        texts = split(record.text, self._can.max_text, self._can.unit)
        answers = await self._answered(record)
        told: list[records.DeliveryReceipt] = []
        known: list[ExternalMessage] = []
        if not texts:
            told.append(self._receipt(record, key_of(record, 0), Result(outcome="failed", reason="Empty"), 1, 0))
        else:
            await self._note_reached(record)
        for i, text in enumerate(texts):
            part = Part(chat=record.destination, text=text, answers=answers if i == 0 else None)
            made = await self._make(record, key_of(record, i), partial(self._channel.send, part))
            if not isinstance(made, Done):
                return made
            known += await self._know(record, key_of(record, i), made)
            told.append(self._receipt(record, key_of(record, i), made.result, len(texts), made.doubts))
            if made.result.outcome == "failed":
                break
        await self._tell(told)
        for message in known if self._can.receipts else ():
            await self._early.of(message)
        return None

    async def _edit(self, record: outbound.OutboundEdit) -> float | None:
        """Parts that are there are edited; those that are too many go, those that are missing are sent."""
        sent = await self._sent(record.message_id, record, record.sent_generation)
        if not self._can.edits or not sent:
            await self._cannot(record, "Unsupported" if not self._can.edits else "NotSent")
            return None
        texts = split(record.text, self._can.max_text, self._can.unit)
        steps = [self._edit_part(record, text, sent[i : i + 1]) for i, text in enumerate(texts)]
        steps += [partial(self._take_back, record.destination, one) for one in sent[len(texts) :]]
        # A part that is added is the message's own from now on: it is edited and taken back as the others are.
        keys = [key_of(record, i) if i < len(sent) else _added(record, i) for i in range(max(len(texts), len(sent)))]
        return await self._steps(record, steps, keys)

    async def _delete(self, record: outbound.OutboundDelete) -> float | None:
        sent = await self._sent(record.message_id, record, record.sent_generation)
        if not self._can.deletes or not sent:
            await self._cannot(record, "Unsupported" if not self._can.deletes else "NotSent")
            return None
        steps = [partial(self._take_back, record.destination, one) for one in sent]
        return await self._steps(record, steps, [key_of(record, i) for i in range(len(sent))])

    def _edit_part(self, record: outbound.OutboundEdit, text: str, there: list[str]) -> Callable[[], Awaitable[str]]:
        if not there:
            return partial(self._channel.send, Part(chat=record.destination, text=text))

        async def change() -> str:
            await self._channel.edit(record.destination, there[0], text)
            return there[0]

        return change

    async def _take_back(self, chat: str, external_id: str) -> str:
        await self._channel.delete(chat, external_id)
        return external_id

    async def _steps(
        self,
        record: outbound.OutboundEdit | outbound.OutboundDelete,
        steps: Sequence[Callable[[], Awaitable[str]]],
        keys: Sequence[DeliveryKey],
    ) -> float | None:
        told: list[records.DeliveryReceipt] = []
        for i, (step, key) in enumerate(zip(steps, keys, strict=True)):
            made = await self._make(record, key, step)
            if not isinstance(made, Done):
                return made
            result = made.result
            if result.reason == "AlreadySo":
                result = Result(outcome="sent")
            if key.record_id == record.message_id:
                await self._know(record, key, made)
            told.append(self._receipt(record, key_of(record, i), result, len(steps), made.doubts))
        await self._tell(told)
        return None

    async def _cannot(self, record: outbound.OutboundEdit | outbound.OutboundDelete, reason: str) -> None:
        await self._tell([self._receipt(record, key_of(record, 0), Result(outcome="failed", reason=reason), 1, 0)])

    async def _make(self, record: AnyOutbound, key: DeliveryKey, act: Callable[[], Awaitable[str]]) -> Done | float:
        """Make one attempt: its end, or the seconds to wait."""
        made = await self._attempts.make(key.id, act, partial(self._turn, record.destination))
        if isinstance(made, Later):
            return self._wait(record.destination, made)
        self._failures.pop(record.destination, None)
        self.throttling.let_through(record.destination)
        self.trouble = None
        return made

    async def _turn(self, chat: str) -> float:
        """Take a turn at the connector's and the chat's limits; the seconds until there is one."""
        if chat not in self._turns:
            rate = self._can.per_group if chat.startswith("-") else self._can.per_chat
            if wait := await self._limits.take(f"chat {self._connector} {chat}", rate, share=self._share()):
                return wait
            self._turns.add(chat)  # a chat keeps its turn until the connector has one: else the busiest would starve it
        if wait := await self._limits.take(f"connector {self._connector}", self._per_connector, share=self._share()):
            return wait
        self._turns.discard(chat)
        return 0.0

    def _wait(self, chat: str, later: Later) -> float:
        """As long as the provider says; else longer each time, and not all chats at once."""
        if isinstance(later.error, errors.CredentialsError | errors.TakenError):
            self.trouble = trouble_of(later.error)
            _log.warning("%s: %s", self._connector, later.error.sentence)
        if isinstance(later.error, errors.ThrottledError):
            self.throttling.told_to_wait(later.error.retry_after, chat)
        elif later.error is not None:
            self.throttling.let_through(chat)
        if later.seconds is not None:
            return later.seconds
        failures = self._failures[chat] = self._failures.get(chat, 0) + 1
        return _BACKOFF.wait(failures, least_seconds=_REPAIR_SECONDS if self.trouble else 0.0)

    async def _answered(self, record: outbound.OutboundSend) -> str | None:
        if record.answers is None or not self._can.quotes:
            return None
        return await self._ledger.external_of(self._connector, record.destination, record.answers)

    async def _sent(self, message_id: str, record: AnyOutbound, generation: int) -> list[str]:
        """The provider's ids of a message's parts."""
        found: list[str] = []
        while True:
            key = DeliveryKey(
                record_id=message_id,
                recipient=record.recipient,
                link=record.link,
                part=len(found),
                generation=generation,
            )
            results = [one.result for one in await self._ledger.attempts(key.id) if one.result is not None]
            external = next((one.external_id for one in results if one.outcome == "sent"), None)
            if external is None:
                return found
            found.append(external)

    async def _know(self, record: AnyOutbound, key: DeliveryKey, made: Done) -> list[ExternalMessage]:
        """What the provider's message is here, or that this person is out of reach, if that is news."""
        result = made.result
        if result.outcome == "sent":
            known = ExternalMessage(
                connector=self._connector,
                chat=record.destination,
                external_id=result.external_id,
                conversation_id=record.conversation_id,
                message_id=record.message_id,
                delivery=key,
            )
            await self._ledger.put_external([known])
            return [known]
        if result.reason in _GONE and made.now:
            # A private chat's id is the person's, at every provider so far.
            await self._channels.set_reachable(
                self._connector, record.destination, reachable=False, reason=result.reason
            )
        return []

    def _receipt(
        self, record: AnyOutbound, key: DeliveryKey, result: Result, parts: int, doubts: int
    ) -> records.DeliveryReceipt:
        at = int(self._clock() * 1000)
        return receipt(self._connector, record, key, result, parts=parts, at=at, doubts=doubts)

    async def _tell(self, told: list[records.DeliveryReceipt]) -> None:
        entries = [Entry(CONVERSATIONS, one.conversation_id.encode(), records.encode(one)) for one in told]
        await self._log.append(entries)

    async def _note_reached(self, record: outbound.OutboundSend) -> None:
        """Which conversation reaches this chat, before it does: an answer may be quicker than what follows a call. Once
        an hour is enough."""
        place = record.destination, record.conversation_id
        if place not in self._reached:
            await self._channels.reached(self._connector, *place, int(self._clock() * 1000))
            self._reached[place] = None


def _added(record: outbound.OutboundEdit, part: int) -> DeliveryKey:
    return DeliveryKey(
        record_id=record.message_id,
        recipient=record.recipient,
        link=record.link,
        part=part,
        generation=record.sent_generation,
    )
