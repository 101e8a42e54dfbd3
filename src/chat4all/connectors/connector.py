"""A running connector: what the router hands over goes out in lanes, what people write comes in by polls or posts.

In distributed mode a process has one; embedded, a task has.
"""

import asyncio
import contextlib
import hashlib
import logging
import time
from typing import Final, Literal

import msgspec
import pydantic

from chat4all.channels.kit import errors
from chat4all.channels.kit.port import Account, Channel, Post
from chat4all.connectors.courier import Courier
from chat4all.connectors.health import ConnectorStatus, Reporter, Trouble, trouble_of
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
from chat4all.model.connector_reasons import Code
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.outbound import AnyOutbound
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
_FAILING_CHECK_SECONDS: Final = 15.0  # the same while it cannot deliver to it
_REPORT_CHECK_SECONDS: Final = 1.0  # between looks at whether what is told of it has changed
_RECEIPT_SWEEP_SECONDS: Final = 60.0  # between looks for receipts that were not told on
_DRAIN_SECONDS: Final = 10.0  # in which what is being sent may end
_MAX_LEASE_NAME: Final = 64  # characters

_OTHER: Final = "These credentials are of another account than before: make a new connector for it."

_PASSING: Final = (
    EngineUnavailableError,
    errors.UnreachableError,
    errors.UnknownOutcomeError,
    errors.ThrottledError,
)

Mode = Literal["Polling", "Webhook"]

_decode = msgspec.json.Decoder(AnyOutbound).decode


def mode_of(config: pydantic.BaseModel, public_url: str) -> Mode:
    """Return how what people write comes: by webhook where providers can reach us, unless the config says otherwise."""
    asked: Mode | None = getattr(config, "mode", None)
    return asked or ("Webhook" if public_url else "Polling")


def poll_lease(uid: str) -> str:
    """Return the name of the lease of whoever polls for the connector of this uid."""
    name = f"poll {uid}"
    return name if len(name) <= _MAX_LEASE_NAME else f"poll {hashlib.sha256(uid.encode()).hexdigest()[:48]}"


class Connector:
    """`uid`, `name`: of its registration; `url`: where the provider is to post, in mode Webhook; `holder`: this
    process, in leases; `reporter`: tells how it is."""

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
        reporter: Reporter,
        mode: Mode,
        holder: str,
        metrics: Metrics,
        parking: Parking[Waiting] | None = None,
        url: str = "",
        traces: Traces | None = None,
    ) -> None:
        self.status = ConnectorStatus(mode=mode, role="receives" if mode == "Webhook" else "sends")
        self.name = name
        self._uid = uid
        self._channel = channel
        self._courier = courier
        self._inbound = inbound
        self._log = log
        self._directory = directory
        self._channels = channels
        self._reporter = reporter
        self._introduced = False  # to the provider, with an account that is ours
        self._troubles: dict[str, Trouble] = {}  # by what is troubled, the worst first
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
        """Tell how it is when that has changed, and now and then that it still is."""
        while True:
            self.status.queue, self.status.limited = self._lanes.waiting, self._lanes.parked
            self._metrics.waiting.labels(self.name).set(self.status.queue)
            self._metrics.limited.labels(self.name).set(self.status.limited)
            self.status.unsupported = dict(self._inbound.unsupported)
            self._assess()
            await self._reporter.tell(self.status)
            await asyncio.sleep(_REPORT_CHECK_SECONDS)

    def _note(self, what: str, trouble: Trouble | None) -> None:
        """A part of it is in trouble, or well."""
        self._troubles.pop(what, None)
        if trouble is not None:
            self._troubles[what] = trouble
        self._assess()

    def _assess(self) -> None:
        """Say what stands in its way, the worst if it is several things."""
        status = self.status
        status.limited_until = self._courier.throttling.until(self._lanes.occupied)
        found = [self._troubles.get("receive"), self._courier.trouble, *self._troubles.values()]
        worst = next((one for one in found if one is not None), None)
        if any(one is not None and one.reason is Code.TOKEN_REFUSED for one in found):
            status.authenticated = False
        elif self._introduced:
            status.authenticated = True
        if worst is None and status.limited_until is not None:
            worst = Trouble(Code.RATE_LIMITED, "The provider makes it wait.")
        if worst is None and not self._introduced:
            worst = Trouble(Code.STARTING, "")
        status.say(worst)

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
                self._courier.throttling.let_through()
                self.status.authenticated = True
                claimed = await self._channels.claim_account(self._uid, account.id)
                trouble = None if claimed else await self._not_ours(account)
            except (errors.ChannelError, EngineUnavailableError) as error:
                await self._stand_back("receive", error)
                continue
            if trouble is None:
                self.status.account, self._introduced = account.name, True
                self._note("receive", None)
                return
            self._note("receive", trouble)
            await asyncio.sleep(_REPAIR_SECONDS)

    async def _not_ours(self, account: Account) -> Trouble:
        """Why an account could not be claimed. Raises EngineUnavailableError."""
        row = await self._channels.connector(self._uid)
        if row is None:
            return Trouble(Code.ROW_MISSING, f"There is no connector {self._uid}.")
        if row.account not in {None, account.id}:
            return Trouble(Code.OTHER_ACCOUNT, _OTHER)
        return Trouble(Code.DUPLICATE_ACCOUNT, f"Another connector has the account {account.name}.")

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
                    self._note("send", None)
                except LookupError:  # its topic is not there yet
                    await self._log.create([topic])
                except (EngineUnavailableError, OffsetOutOfRangeError) as error:
                    await self._stand_back("send", error)
            raise RuntimeError("A lane ended; the log says which and why.")
        finally:
            await consumer.close()

    async def _assigned(self, now: frozenset[Assignment]) -> None:
        """What is new is gone on with, before anything more comes for it."""
        self._metrics.assigned.labels(self.name).set(len(now))
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
                await self._stand_back("send", error)
            else:
                return

    async def _take(self, waiting: Waiting) -> float | None:
        """Send a record, as `Courier.take` does, unless the connector is ending."""
        with self._traces.span("send", waiting.trace, connector=self.name):
            try:
                wait = await self._courier.take(waiting.record)
            except EngineUnavailableError as error:
                self._note("take", trouble_of(error))
                raise
        self._note("take", None)
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
        cursor, cleared, lease = "", False, poll_lease(self._uid)
        try:
            while True:
                try:
                    if not await self._directory.lease(lease, self._holder, seconds=_LEASE_SECONDS):
                        self.status.role, self.status.registered = "sends", None
                        self._note("receive", None)
                        await asyncio.sleep(_LEASE_SECONDS / 10)
                        continue
                    self.status.role = "receives"
                    if not cleared:
                        await self._channel.register("")
                        cleared = True
                    # The first answer comes at once: it says whether the provider gives us what people write.
                    page = await self._channel.poll(cursor, seconds=_LONG_POLL_SECONDS if self.status.registered else 0)
                    await self._inbound.take(page.events)
                    cursor, self.status.registered = page.cursor, True
                    self._received(None)
                except (errors.ChannelError, EngineUnavailableError, NoSuchMembersError) as error:
                    self.status.registered = False
                    cleared = cleared and not isinstance(error, errors.TakenError)
                    await self._stand_back("receive", error)
        finally:
            if self.status.role == "receives":  # another process need not wait until it ends by itself
                with contextlib.suppress(EngineUnavailableError):
                    await self._directory.lease(lease, self._holder, seconds=0.0)

    async def _keep_registered(self) -> None:
        """Tell the provider where to post, and tell it again when it has forgotten."""
        registered = False  # since the start: a secret may be another one now, which the provider does not show
        while True:
            try:
                known = await self._channel.registration()
                if not registered or known.url != self._url:
                    await self._channel.register(self._url)
                    registered = True
                self.status.registered = True
                failing = f"The provider cannot deliver to {self._url}: {known.problem}"
                self._received(Trouble(Code.HOOK_FAILING, failing) if known.problem else None)
                await asyncio.sleep(_FAILING_CHECK_SECONDS if known.problem else _WEBHOOK_CHECK_SECONDS)
            except (errors.ChannelError, EngineUnavailableError) as error:
                if not isinstance(error, _PASSING):  # else it is, most probably, as it was
                    self.status.registered = False
                await self._stand_back("receive", error)

    def _received(self, trouble: Trouble | None) -> None:
        """The provider has answered a call that is about no chat."""
        self._courier.throttling.let_through()
        self._note("receive", trouble)

    async def _stand_back(self, what: str, error: Exception) -> None:
        """Wait before the next try: shortly for what passes by itself, long for what somebody has to fix."""
        seconds = _RETRY_SECONDS if isinstance(error, _PASSING) else _REPAIR_SECONDS
        if isinstance(error, errors.ThrottledError):
            seconds = error.retry_after
            self._courier.throttling.told_to_wait(seconds)
        self._note(what, trouble_of(error))
        _log.warning("%s waits %.0f s: %s", self.name, seconds, error)
        await asyncio.sleep(seconds)
