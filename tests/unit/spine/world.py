"""The real router, acceptance and outbox over some engines, with a reader that looks at every moment.

`World` is driven by the state machine (machine.py) and by directed interleavings; `verdict` is the judge of both.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from typing import Any

from tests.unit.spine.engines import GATEWAY, PARTITIONS, PEOPLE, EmbeddedEngines, Engines
from tests.unit.spine.faults import CrashError, Fault, Gated, Gates
from tests.unit.spine.oracle import Expected, Oracle

from chat4all.conversations.acceptance import Acceptance, Accepted, NewMessage
from chat4all.conversations.idempotency import KeyedRequest
from chat4all.conversations.members import MemberChanges
from chat4all.conversations.membership import Membership
from chat4all.conversations.outbox import Relay
from chat4all.directory.port import Role
from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, EVENTS, Entry
from chat4all.model.delivery import Cursor
from chat4all.model.errors import EngineUnavailableError, Refusal
from chat4all.routing.dispatch import Dispatch
from chat4all.routing.router import Router
from chat4all.telemetry.metrics import Metrics

_PAGE = 1000


class Seat:
    """A place for one router process: empty, running, or paused in the middle of something."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.gates = Gates(world.watch)
        self._router: Router | None = None
        self._turn: asyncio.Task[int] | None = None

    @property
    def paused(self) -> bool:
        return self.gates.parked.is_set()

    def router(self) -> Router:
        """The router here; a new one if the last has crashed."""
        if self._router is None:
            self._router = self._world.new_router(self.gates)
        return self._router

    async def run(self, point: str = "", fault: Fault = Fault.CRASH, turns: int = 4) -> None:
        """Let it take some turns; at this point, if it comes there, have the fault happen."""
        if point:
            self.gates.arm(point, fault)
        patience = self._world.engines.patience
        for _ in range(turns * patience):
            took = None if self.paused else await self._finish(asyncio.create_task(self.router().turn()))
            if took is None or (patience > 1 and not took and await self._routed_all()):
                break
        self.gates.disarm()

    async def _routed_all(self) -> bool:
        """Whether nothing is left for it to route: of a partition that it stopped at, nothing is."""
        lag = await self.router()._consumer.lag()
        stopped = self.router()._stopped
        return len(lag) == PARTITIONS and not any(left for where, left in lag.items() if where not in stopped)

    async def wake(self) -> None:
        """Let it go on where it was paused, to the end of that turn."""
        if self._turn is not None:
            self.gates.wake()
            await self._finish(self._turn)

    async def crash(self) -> None:
        """Gone, wherever it was."""
        if self._turn is not None:
            self._turn.cancel()
            with contextlib.suppress(asyncio.CancelledError, CrashError):
                await self._turn
        self.gates.parked.clear()
        self._turn = None
        await self._gone()

    async def _finish(self, turn: "asyncio.Task[int]") -> int | None:
        """Until the turn ends or pauses; how many records it took, None if the router cannot take another."""
        parked = asyncio.create_task(self.gates.parked.wait())
        await asyncio.wait({turn, parked}, return_when=asyncio.FIRST_COMPLETED)
        parked.cancel()
        if not turn.done():
            self._turn = turn
            return None
        self._turn = None
        try:
            return await turn
        except CrashError:
            await self._gone()
            return None

    async def _gone(self) -> None:
        router, self._router = self._router, None
        if router is not None:
            await self._world.engines.gone(router)


class World:
    """`router`, `acceptance`: the classes to use; a sabotaged one must be caught by `verdict`."""

    def __init__(
        self,
        engines: Engines,
        *,
        router: type[Router] = Router,
        acceptance: type[Acceptance] = Acceptance,
    ) -> None:
        self.engines = engines
        self.chats = engines.chats
        self._router_class = router
        self.log, self.store, self.ledger = engines.log, engines.store, engines.ledger
        self.directory, self.channels, self.realtime = engines.directory, engines.channels, engines.realtime
        self.metrics = Metrics()
        self.oracle = Oracle()
        self.api = Gates(_nobody)
        self.seats = (Seat(self), Seat(self))
        self._membership = Membership(self.directory)
        self._acceptance_class = acceptance
        self._seen: dict[str, list[tuple[str, int | None, int | None]]] = {}
        self.accepted: set[str] = set()
        self._turn = 0
        self._looked = -1  # how many transactions the store had committed when the reader looked last
        self.pushed: set[tuple[str, int]] = set()
        self.swept = False  # pushes were lost, and every gateway was told to look for itself
        self._collector: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Engines, topics, people, conversations."""
        await self.engines.open()
        await self.realtime.register(GATEWAY, {f"session-{who}": who for who in PEOPLE})
        self._collector = asyncio.create_task(self._collect())
        log, store = Gated(self.log, "log", self.api), Gated(self.store, "store", self.api)
        directory = Gated(self.directory, "directory", self.api)
        self.acceptance = self._acceptance_class(
            log=log,
            store=store,
            membership=self._membership,
            metrics=self.metrics,
        )
        self.members = MemberChanges(
            directory=self.directory, store=self.store, membership=self._membership, on_change=lambda: None
        )
        self.relay = Relay(directory=directory, log=log, holder="relay")

    async def close(self) -> None:
        """End everything."""
        async with contextlib.AsyncExitStack() as stack:  # also when a reader has seen something wrong at the last
            stack.push_async_callback(self.engines.close)
            if self._collector:
                self._collector.cancel()
                stack.push_async_callback(asyncio.wait, {self._collector})
            for seat in self.seats:
                stack.push_async_callback(seat.crash)

    def new_router(self, gates: Gates) -> Router:
        """A router process that has just started."""
        log, store = Gated(self.log, "log", gates), Gated(self.store, "store", gates)
        directory = Gated(self.directory, "directory", gates)
        dispatch = Dispatch(
            log=log,
            store=store,
            ledger=Gated(self.ledger, "store", gates),
            directory=directory,
            channels=Gated(self.channels, "directory", gates),
        )
        return self._router_class(
            log=log,
            store=store,
            directory=directory,
            realtime=Gated(self.realtime, "realtime", gates),
            dispatch=dispatch,
            metrics=self.metrics,
            epoch=1,
            settings=self.engines.settings,
        )

    # -- what people do

    async def post(self, who: str, chat: str, content: str, key: str | None = None) -> str | None:
        """The id that the 202 named; None if there was no 202."""
        asked = KeyedRequest(who, key, f"post {chat} {content}")
        return await self._ask(asked, self.acceptance.post(asked, NewMessage(conversation_id=chat, content=content)))

    async def edit(self, message: str, who: str, content: str, key: str | None = None) -> str | None:
        asked = KeyedRequest(who, key, f"edit {message} {content}")
        return await self._ask(asked, self.acceptance.edit(asked, message, content))

    async def delete(self, message: str, who: str, key: str | None = None) -> str | None:
        asked = KeyedRequest(who, key, f"delete {message}")
        return await self._ask(asked, self.acceptance.delete(asked, message))

    async def receive(self, who: str, chat: str, *, delivered: int, read: int) -> None:
        with contextlib.suppress(EngineUnavailableError):
            await self.acceptance.receive(who, {chat: Cursor().advanced(delivered, read)})

    async def change_members(self, chat: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """SQL changes; the notice waits in the outbox."""
        with contextlib.suppress(Refusal):
            if add:
                await self.members.add(chat, "ana", add)
            for who in remove:
                await self.members.remove(chat, who, Role.USER, who)

    async def relay_outbox(self) -> None:
        """One turn of the relay; it may crash at an armed point."""
        with contextlib.suppress(EngineUnavailableError, CrashError):
            await self.relay.relay()

    async def work(self, known: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Something of every kind in every conversation; the new (message, sender)s. `known` ones are edited."""
        made = []
        for chat in self.chats:
            self._turn += 1
            message = await self.post("ana", chat, f"no. {self._turn}", f"work-{chat}-{self._turn}")
            await self.receive("bruno", chat, delivered=self._turn, read=self._turn // 2)
            made += [(message, "ana")] if message else []
        for message, who in known:
            await self.edit(message, who, f"changed {self._turn}")
        return made

    async def append(self, key: bytes, value: bytes) -> None:
        """Whatever someone put into the topic by hand."""
        await self.log.append([Entry(CONVERSATIONS, key, value)])

    async def rewind(self, back: int) -> None:
        """An operator resets the group by so many records; the routers had to be stopped for that."""
        for seat in self.seats:
            await seat.crash()
        await self.silent(100.0)
        assert isinstance(self.engines, EmbeddedEngines)
        await self.engines.rewind(back)

    async def silent(self, seconds: float = 10.0) -> None:
        """So long nothing is heard of those routers that do not run: what they had is others' then."""
        await self.engines.silence(seconds)

    # -- the reader, and the judge

    async def watch(self) -> None:
        """What a reader sees now, where it can have changed since they looked last."""
        committed = self.engines.committed()
        if committed is None or committed != self._looked:
            await self._look()
            self._looked = -1 if committed is None else committed

    async def _look(self) -> None:
        """A reader sees no hole, nothing that has changed its place, nothing undone, nothing gone."""
        for chat in self.chats:
            rows = await self.store.history(chat, after_seq=0, limit=10_000)
            heads = await self.store.heads([chat])
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1)), f"{chat}: a hole in {rows}"
            if chat in heads:
                # The head was read after the rows: it may have moved on meanwhile, never back.
                assert heads[chat].last_seq >= len(rows), f"{chat}: the head is behind what was shown"
            seen = self._seen.get(chat, [])
            assert len(rows) >= len(seen), f"{chat}: {len(seen)} rows were seen, now there are {len(rows)}"
            for row, (message_id, edited_at, deleted_at) in zip(rows, seen, strict=False):
                assert row.message_id == message_id, f"{chat}/{row.seq}: was {message_id}, is {row.message_id}"
                assert deleted_at is None or row.deleted_at is not None, f"{chat}/{row.seq}: a delete was undone"
                assert (row.edited_at or 0) >= (edited_at or 0), f"{chat}/{row.seq}: an edit was undone"
                assert row.deleted_at is None or row.text == ""
            self._seen[chat] = [(row.message_id, row.edited_at, row.deleted_at) for row in rows]

    async def verdict(self) -> None:
        """Wake and restart everything, route all there is, and hold the result against the log itself."""
        for gates in (self.api, *(seat.gates for seat in self.seats)):
            gates.disarm()
        for seat in self.seats:
            await seat.wake()
        while await self.directory.outbox(limit=1):
            await self.relay.relay()
        await self.silent(100.0)
        await self._settle()
        await self._look()
        expected = self.oracle.expect(await self._whole_log(CONVERSATIONS))
        assert self.accepted <= expected.ids, f"accepted and lost: {self.accepted - expected.ids}"
        for chat in self.chats:
            await self._check_chat(chat, expected)
        await self._check_told(expected)

    async def _settle(self) -> None:
        """A router alone, until nothing is left. What stops a partition here is a failure."""
        for seat in self.seats[1:]:
            await seat.crash()
        await self.silent(100.0)
        seat = self.seats[0]
        for _ in range(200):
            await seat.run(turns=1)
            router = seat.router()
            assert not router.stopped, f"a router stopped: {router.stopped}"
            lag = await router._consumer.lag()
            if len(lag) == PARTITIONS and not any(lag.values()):
                return
        raise AssertionError(f"the routers do not come to an end: {lag}")

    async def _check_chat(self, chat: str, expected: Expected) -> None:
        rows = await self.store.history(chat, after_seq=0, limit=10_000)
        got = [(row.message_id, row.kind, row.text if row.kind == "message" else None) for row in rows]
        assert got == expected.rows.get(chat, []), f"{chat}: {got} is not {expected.rows.get(chat)}"
        head = (await self.store.heads([chat])).get(chat)
        assert (head.last_seq if head else 0) == len(rows)
        preview = expected.previews.get(chat)
        assert (head.preview.content if head and head.preview else None) == preview, f"{chat}: the preview is old"
        entries = await self.store.index([row.message_id for row in rows])
        assert {id_: entry.seq for id_, entry in entries.items()} == {row.message_id: row.seq for row in rows}
        cursors = (await self.store.cursors([chat])).get(chat, {})
        assert cursors == expected.cursors.get(chat, {}), f"{chat}: {cursors} is not {expected.cursors.get(chat)}"
        for row in rows:
            if row.kind == "message":
                happened = [entry.what for entry in await self.store.timeline(row.message_id)]
                assert happened == expected.timelines[row.message_id], f"the timeline of {row.message_id}"

    async def _check_told(self, expected: Expected) -> None:
        events = {json.loads(record.value)["id"] for _, record in await self._whole_log(EVENTS)}
        assert len(events) == sum(len(rows) for rows in expected.rows.values()), "events are missing or doubled"
        dead = {(record.key, record.value) for _, record in await self._whole_log(DEAD_LETTERS)}
        assert dead == expected.dead, f"dead letters: {dead ^ expected.dead}"
        told = {(chat, seq) for chat, rows in expected.rows.items() for seq in range(1, len(rows) + 1)}
        deadline = time.monotonic() + self.engines.told_within
        await asyncio.sleep(0)
        while told - self.pushed and not self.swept and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert self.swept or told <= self.pushed, f"never pushed: {sorted(told - self.pushed)}"

    async def _whole_log(self, topic: str) -> list[tuple[int, Any]]:
        found: list[tuple[int, Any]] = []
        for partition in range(PARTITIONS):
            offset = 0
            while page := await self.log.read(topic, partition, offset=offset, limit=_PAGE):
                found += [(partition, record) for record in page]
                offset = page[-1].offset + 1
        return found

    async def _collect(self) -> None:
        async with self.realtime.subscribe(GATEWAY) as pushes:
            async for push in pushes:
                self.swept = self.swept or push.sweep
                if push.seq is not None:
                    self.pushed.add((push.conversation_id, push.seq))

    async def _ask(self, asked: KeyedRequest, asking: Any) -> str | None:
        """Note a 202; after an engine failed, whether it happened is unknown."""
        try:
            accepted: Accepted = await asking
        except Refusal:
            return None
        except EngineUnavailableError:
            return None
        if asked.key is not None:
            assert accepted.message_id == asked.id, "the same request has another id"
        self.accepted.add(accepted.message_id)
        return accepted.message_id


async def _nobody() -> None:
    """Nobody watches."""
