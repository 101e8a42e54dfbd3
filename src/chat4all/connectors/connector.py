"""A running connector: what the router hands over goes out in lanes, what people write comes in by polls or posts.

In distributed mode a process has one; embedded, a task has.
"""

import asyncio
import dataclasses
import logging
import time
from typing import Final, Literal

import msgspec

from chat4all.channels.kit import errors
from chat4all.channels.kit.port import Channel, Post
from chat4all.connectors.courier import Courier
from chat4all.connectors.inbound import Inbound
from chat4all.connectors.lanes import Lanes, Parking
from chat4all.connectors.parking import Waiting
from chat4all.directory.channels import ChannelDirectory, NoSuchMembersError
from chat4all.directory.port import Directory
from chat4all.log.port import (
    Assignment,
    Batch,
    Consumer,
    Entry,
    Log,
    OffsetOutOfRangeError,
    dead_letter,
    outbound_topic,
)
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.outbound import AnyOutbound
from chat4all.model.rows import iso
from chat4all.telemetry.metrics import Metrics
from chat4all.telemetry.traces import Traces, carried_by

_log = logging.getLogger(__name__)

_CHATS_AT_ONCE: Final = 32
_MAX_WAITING_RECORDS: Final = 5000  # in lanes
_BATCH_RECORDS: Final = 200
_POLL_SECONDS: Final = 1.0  # that the outbound side waits for records
_LONG_POLL_SECONDS: Final = 25.0  # that a provider is asked to wait
_LEASE_SECONDS: Final = 60.0  # for which nobody else polls
_RETRY_SECONDS: Final = 1.0  # until it is tried again where an engine is away
_REPAIR_SECONDS: Final = 30.0  # until it is tried again where somebody has to fix something first
_WEBHOOK_CHECK_SECONDS: Final = 60.0  # between looks at what the provider has of our webhook
_REPORT_CHECK_SECONDS: Final = 1.0  # between looks at whether what is told of it has changed
_REPORT_SECONDS: Final = 30.0  # after which it is told again
_RECEIPT_SWEEP_SECONDS: Final = 60.0  # between looks for receipts that were not told on
_DRAIN_SECONDS: Final = 10.0  # in which what is being sent may end

_OTHER: Final = "These credentials are of another account than before: make a new connector for it."

Mode = Literal["Polling", "Webhook"]

_decode = msgspec.json.Decoder(AnyOutbound).decode


@dataclasses.dataclass(slots=True)
class ConnectorStatus:
    """What it tells of itself. `problem`: a sentence, empty while all is well; `queue`: records that wait; `limited`:
    chats that stand still until the provider takes more; `unsupported`: updates that were left alone, by kind."""

    account: str = ""
    mode: str = ""
    registered: bool = False
    problem: str = ""
    queue: int = 0
    limited: int = 0
    unsupported: dict[str, int] = dataclasses.field(default_factory=dict)


class Connector:
    """`uid`, `name`: of its registration; `url`: where the provider is to post, in mode Webhook; `holder`: this
    process, in leases."""

    def __init__(
        self,
        *,
        uid: str,
        name: str,
        channel: Channel,
        courier: Courier,
        inbound: Inbound,
        log: Log,
        directory: Directory,
        channels: ChannelDirectory,
        mode: Mode,
        holder: str,
        metrics: Metrics,
        parking: Parking[Waiting] | None = None,
        url: str = "",
        traces: Traces | None = None,
    ) -> None:
        self.status = ConnectorStatus(mode=mode)
        self.name = name
        self._uid = uid
        self._channel = channel
        self._courier = courier
        self._inbound = inbound
        self._log = log
        self._directory = directory
        self._channels = channels
        self._holder = holder
        self._metrics = metrics
        self._traces = traces or Traces()
        self._url = url
        self._lanes = Lanes(self._take, busy=_CHATS_AT_ONCE, most=_MAX_WAITING_RECORDS, parking=parking)
        self._adopted: frozenset[Assignment] = frozenset()
        self._committed: dict[Assignment, int] = {}

    async def run(self) -> None:
        """Run until it is cancelled; then what is being sent comes to its end."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._report())
                await self._introduce()
                group.create_task(self._sweep())
                group.create_task(self._send())
                group.create_task(self._poll() if self.status.mode == "Polling" else self._keep_registered())
        finally:
            await self._lanes.stop(seconds=_DRAIN_SECONDS)

    async def receive(self, post: Post) -> None:
        """Take what a provider has posted; when this returns, the provider may be told that we have it.

        Raises NotGenuineError, MalformedError, EngineUnavailableError, NoSuchMembersError.
        """
        try:
            self._channel.verify(post)
            events = self._channel.parse(post.body)
        except errors.ChannelError as error:
            self._metrics.refused_posts.labels(self.name, type(error).__name__.removesuffix("Error")).inc()
            raise
        await self._inbound.take(events)

    async def _report(self) -> None:
        """Write down how it is when that has changed, and now and then that it still is."""
        reported, reported_at = "", 0.0
        while True:
            self.status.queue, self.status.limited = self._lanes.waiting, self._lanes.parked
            self._metrics.waiting.labels(self.name).set(self.status.queue)
            self._metrics.limited.labels(self.name).set(self.status.limited)
            self.status.unsupported = dict(self._inbound.unsupported)
            now, state = time.time(), dataclasses.asdict(self.status)
            if repr(state) != reported or now - reported_at > _REPORT_SECONDS:
                try:
                    await self._channels.report(self._uid, {**state, "at": iso(int(now * 1000))})
                    reported, reported_at = repr(state), now
                except EngineUnavailableError as error:
                    _log.warning("%s cannot tell how it is: %s", self.name, error)
            await asyncio.sleep(_REPORT_CHECK_SECONDS)

    async def _sweep(self) -> None:
        while True:
            try:
                await self._inbound.early.sweep(int(time.time() * 1000))
            except EngineUnavailableError as error:
                _log.warning("%s looks for early receipts later: %s", self.name, error)
            await asyncio.sleep(_RECEIPT_SWEEP_SECONDS)

    async def _introduce(self) -> None:
        """Learn whose credentials these are, and claim them: two connectors of one account would fight."""
        while True:
            try:
                account = await self._channel.account()
                if await self._channels.claim_account(self._uid, account.id):
                    self.status.account, self.status.problem = account.name, ""
                    return
                row = await self._channels.connector(self._uid)
                other = row is not None and row.account not in {None, account.id}
                self.status.problem = _OTHER if other else f"Another connector has the account {account.name}."
                await asyncio.sleep(_REPAIR_SECONDS)
            except (errors.ChannelError, EngineUnavailableError) as error:
                await self._stand_back(error)

    async def _send(self) -> None:
        topic = outbound_topic(self.name)
        consumer = self._log.consumer(f"chat4all.connector.{self.name}", topic.name)
        try:
            while not self._lanes.broken.is_set():
                try:
                    await self._lanes.room()
                    batches = await consumer.poll(max_records=_BATCH_RECORDS, timeout=_POLL_SECONDS)
                    await self._assigned(consumer.assignments())
                    for batch in batches:
                        await self._enqueue(batch)
                    await self._commit(consumer)
                except LookupError:  # its topic is not there yet
                    await self._log.create([topic])
                except (EngineUnavailableError, OffsetOutOfRangeError) as error:
                    await self._stand_back(error)
            raise RuntimeError("A lane ended; the log says which and why.")
        finally:
            await consumer.close()

    async def _assigned(self, now: frozenset[Assignment]) -> None:
        """What is new is gone on with, before anything more comes for it."""
        self._lanes.keep_only(now)
        self._adopted &= now
        for one in now - self._adopted:
            await self._lanes.adopt(one)
            self._adopted |= {one}

    async def _enqueue(self, batch: Batch) -> None:
        for record in batch.records:
            try:
                waiting = Waiting(record.timestamp, _decode(record.value), carried_by(record.headers))
                self._lanes.put(batch.assignment, record.offset, record.key, waiting)
            except (msgspec.DecodeError, ValueError) as error:
                await self._bury(dead_letter(batch.assignment, record, str(error)))
                self._lanes.skip(batch.assignment, record.offset)

    async def _bury(self, letter: Entry) -> None:
        """However long that takes: what was polled with it is not polled again."""
        while True:
            try:
                await self._log.append([letter])
            except EngineUnavailableError as error:
                await self._stand_back(error)
            else:
                return

    async def _take(self, waiting: Waiting) -> float | None:
        """Send a record, as `Courier.take` does, unless the connector is ending."""
        with self._traces.span("send", waiting.trace, connector=self.name):
            wait = await self._courier.take(waiting.record)
        if wait is None:
            self._metrics.send_seconds.labels(self.name).observe(max(0.0, time.time() - waiting.at / 1000))
        return wait

    async def _commit(self, consumer: Consumer) -> None:
        offsets = {a: offset for a, offset in self._lanes.done().items() if self._committed.get(a) != offset}
        if offsets:
            await consumer.commit(offsets)
            self._committed = {**{a: o for a, o in self._committed.items() if a in offsets}, **offsets}

    async def _poll(self) -> None:
        """One process polls at a time; the cursor moves only after what came is in the log."""
        cursor, cleared = "", False
        while True:
            try:
                if not await self._directory.lease(f"poll {self._uid}"[:64], self._holder, seconds=_LEASE_SECONDS):
                    await asyncio.sleep(_LEASE_SECONDS / 10)
                    continue
                if not cleared:
                    await self._channel.register("")
                    cleared = True
                page = await self._channel.poll(cursor, seconds=_LONG_POLL_SECONDS)
                await self._inbound.take(page.events)
                cursor, self.status.registered, self.status.problem = page.cursor, True, self._courier.problem
            except (errors.ChannelError, EngineUnavailableError, NoSuchMembersError) as error:
                self.status.registered = False
                cleared = cleared and not isinstance(error, errors.TakenError)
                await self._stand_back(error)

    async def _keep_registered(self) -> None:
        """Tell the provider where to post, and tell it again when it has forgotten."""
        registered = False  # since the start: a secret may be another one now, which the provider does not show
        while True:
            try:
                known = await self._channel.registration()
                if not registered or known.url != self._url:
                    await self._channel.register(self._url)
                    registered = True
                self.status.registered, self.status.problem = True, known.problem or self._courier.problem
                await asyncio.sleep(_WEBHOOK_CHECK_SECONDS)
            except (errors.ChannelError, EngineUnavailableError) as error:
                self.status.registered = False
                await self._stand_back(error)

    async def _stand_back(self, error: Exception) -> None:
        """Wait before the next try: shortly for what passes by itself, long for what somebody has to fix."""
        self.status.problem = str(error)
        soon = isinstance(error, EngineUnavailableError | errors.UnreachableError | errors.UnknownOutcomeError)
        seconds = (
            error.retry_after
            if isinstance(error, errors.ThrottledError)
            else _RETRY_SECONDS
            if soon
            else _REPAIR_SECONDS
        )
        _log.warning("%s waits %.0f s: %s", self.name, seconds, error)
        await asyncio.sleep(seconds)
