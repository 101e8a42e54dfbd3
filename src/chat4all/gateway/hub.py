"""The sessions of one process: who they belong to, what is pushed to them, and a sweep for pushes that were lost."""

import asyncio
import contextlib
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from typing import Final

from chat4all.accounts.tokens import Identity
from chat4all.gateway.connection import wire
from chat4all.gateway.inbox import HeadMoved
from chat4all.gateway.services import Connection, SessionServices
from chat4all.gateway.session import Session
from chat4all.model import frames, ids
from chat4all.model.errors import EngineUnavailableError
from chat4all.realtime.port import REFRESH, Push, Realtime

_log = logging.getLogger(__name__)

_OPENS: Final = 30.0  # seconds until a session is known, its turn among others included
_IN_A_ROW: Final = 500  # frames that are written before others have their turn: some milliseconds
_SWEEP_PAUSE: Final = 1.0  # seconds between two sweeps that are asked for
_UNKNOWN_PAUSE: Final = 5.0  # the same, while sessions cannot be made known


class Gateway:
    """One start of a gateway. Sessions may come once `run` has subscribed to its pushes."""

    def __init__(self, realtime: Realtime, services: SessionServices) -> None:
        self.id = ids.new_id()
        self._realtime = realtime
        self._services = services
        self._sessions: dict[str, set[Session]] = defaultdict(set)
        self._subscribed = asyncio.Event()
        self._sweep_wanted = asyncio.Event()

    async def run(self) -> None:
        """Serve pushes, refresh registrations, sweep; for ever."""
        async with self._realtime.subscribe(self.id) as pushes, asyncio.TaskGroup() as tasks:
            self._subscribed.set()
            tasks.create_task(self._dispatch(pushes))
            tasks.create_task(self._refresh())
            tasks.create_task(self._sweep())

    async def open(self, identity: Identity, connection: Connection, *, resumes: bool = False) -> Session:
        """Take a session in and make it known. Raises EngineUnavailableError; also when there are too many."""
        try:
            async with asyncio.timeout(_OPENS):
                return await self._take_in(identity, connection, resumes=resumes)
        except TimeoutError as error:
            raise EngineUnavailableError("gateway", "too many begin at once: reconnect in a moment") from error

    async def _take_in(self, identity: Identity, connection: Connection, *, resumes: bool) -> Session:
        await self._subscribed.wait()
        if sum(map(len, self._sessions.values())) >= self._services.settings.sessions:
            raise EngineUnavailableError("gateway", "it has as many sessions as it may")
        session = Session(identity, connection, self._services, resumes=resumes)
        self._sessions[session.username].add(session)
        self._services.metrics.sessions.inc()
        try:
            async with self._services.reads:
                await self._services.presence.arrived(session.username, self.id, session.id)
        except BaseException:
            self._drop(session)
            raise
        return session

    async def close(self, session: Session) -> None:
        """The session has ended."""
        self._drop(session)
        await session.finish()
        async with self._services.reads:
            await self._services.presence.left(session.username, self.id, session.id)

    def drain(self) -> None:
        """Ask every client to go elsewhere."""
        for session in self._all():
            session.leave()

    async def sweep(self) -> None:
        """Compare what every session was shown with the heads of its conversations; each reads what it lacks."""
        mine = await self._services.directory.conversations_of(list(self._sessions))
        heads = await self._services.store.heads({id_ for held in mine.values() for id_ in held})
        for session in self._all():
            for conversation_id in mine.get(session.username, ()):
                head = heads.get(conversation_id)
                if head and head.last_seq > session.shown(conversation_id):
                    session.offer(HeadMoved(conversation_id, head.last_seq))

    def _drop(self, session: Session) -> None:
        held = self._sessions[session.username]
        held.discard(session)
        if not held:
            del self._sessions[session.username]
        self._services.metrics.sessions.dec()

    def _here(self) -> dict[str, str]:
        return {session.id: session.username for session in self._all()}

    def _all(self) -> Iterable[Session]:
        return [session for held in self._sessions.values() for session in held]

    async def _dispatch(self, pushes: AsyncIterator[Push]) -> None:
        async for push in pushes:
            await asyncio.sleep(0)  # a burst is many pushes at once: others have their turn while it lasts
            if push.sweep:
                self._sweep_wanted.set()
            else:
                await self._deliver(push)

    async def _deliver(self, push: Push) -> None:
        """To every session of its users; the bytes are made once for all sessions of a user."""
        turn = 0
        for user in push.users:
            sessions = self._sessions.get(user)
            if not sessions:
                continue
            data = wire(frames.addressed(push.frame, user))
            for session in tuple(sessions):
                turn += session.push(push, data)
                if turn >= _IN_A_ROW:
                    self._services.metrics.pushes.inc(turn)
                    turn = 0
                    await asyncio.sleep(0)
        self._services.metrics.pushes.inc(turn)

    async def _refresh(self) -> None:
        """Keep registrations alive; one that has gone missing means that pushes were missed too."""
        while True:
            await asyncio.sleep(REFRESH)
            try:
                if self._here().keys() - await self._realtime.registered(self.id):
                    self._sweep_wanted.set()
                await self._realtime.register(self.id, self._here())
            except EngineUnavailableError as error:
                _log.warning("Sessions were not refreshed: %s", error)
                self._sweep_wanted.set()

    async def _sweep(self) -> None:
        every = self._services.settings.sweep_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every * random.SystemRandom().uniform(0.8, 1.0)):  # jitter
                    await self._sweep_wanted.wait()
            self._sweep_wanted.clear()
            # First they are known again: with whatever was lost, registrations may have been lost, and what is written
            # after the look at the heads has to be pushed.
            known = await self._known()
            try:
                await self.sweep()
            except EngineUnavailableError as error:
                _log.warning("No sweep: %s", error)
                self._sweep_wanted.set()
            if known:
                await asyncio.sleep(_SWEEP_PAUSE)
            else:  # nothing is pushed while that lasts: sweeps alone show what is said
                self._sweep_wanted.set()
                await asyncio.sleep(_UNKNOWN_PAUSE)

    async def _known(self) -> bool:
        """Make the sessions known; whether that could be done."""
        try:
            await self._realtime.register(self.id, self._here())
        except EngineUnavailableError:
            return False
        return True
