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
from chat4all.gateway.services import ClientConnection, SessionServices
from chat4all.gateway.session import Session
from chat4all.model import frames, ids
from chat4all.model.errors import EngineUnavailableError
from chat4all.realtime.port import REFRESH_SECONDS, Push, Realtime

_log = logging.getLogger(__name__)

_OPEN_TIMEOUT_SECONDS: Final = 30.0  # for registering a session, waiting for its turn included
_FRAMES_PER_TURN: Final = 500  # to write them takes some milliseconds
_SWEEP_PAUSE_SECONDS: Final = 1.0  # between two sweeps that are asked for
_UNREGISTERED_PAUSE_SECONDS: Final = 5.0  # the same, while sessions cannot be registered


class Hub:
    """Holds the sessions of one start of a gateway. They may open once `run` has subscribed to its pushes."""

    def __init__(self, realtime: Realtime, services: SessionServices) -> None:
        self.id = ids.new_id()
        self._realtime = realtime
        self._services = services
        self._sessions: dict[str, set[Session]] = defaultdict(set)
        self._subscribed = asyncio.Event()
        self._sweep_wanted = asyncio.Event()

    async def run(self) -> None:
        """Serve pushes, refresh registrations and sweep, for ever."""
        async with self._realtime.subscribe(self.id) as pushes, asyncio.TaskGroup() as tasks:
            self._subscribed.set()
            tasks.create_task(self._dispatch(pushes))
            tasks.create_task(self._refresh())
            tasks.create_task(self._sweep())

    async def open(self, identity: Identity, connection: ClientConnection, *, resumes: bool = False) -> Session:
        """Add a session and register it. Raises EngineUnavailableError, also when there are too many sessions."""
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_SECONDS):
                return await self._take_in(identity, connection, resumes=resumes)
        except TimeoutError as error:
            raise EngineUnavailableError("gateway", "too many connect at once: reconnect in a moment") from error

    async def _take_in(self, identity: Identity, connection: ClientConnection, *, resumes: bool) -> Session:
        await self._subscribed.wait()
        if sum(map(len, self._sessions.values())) >= self._services.settings.sessions:
            raise EngineUnavailableError("gateway", "it has as many sessions as it can hold")
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
        """Remove a session that has ended, and send its last receipts."""
        self._drop(session)
        await session.finish()
        async with self._services.reads:
            await self._services.presence.left(session.username, self.id, session.id)

    def drain(self) -> None:
        """Ask every client to reconnect elsewhere."""
        for session in self._all():
            session.leave()

    async def sweep(self) -> None:
        """Compare what every session was shown with the heads of its conversations; each reads what it lacks."""
        conversations = await self._services.directory.conversations_of(list(self._sessions))
        heads = await self._services.store.heads({id_ for ids_ in conversations.values() for id_ in ids_})
        for session in self._all():
            for conversation_id in conversations.get(session.username, ()):
                head = heads.get(conversation_id)
                if head and head.last_seq > session.shown(conversation_id):
                    session.offer(HeadMoved(conversation_id, head.last_seq))

    def _drop(self, session: Session) -> None:
        sessions = self._sessions[session.username]
        sessions.discard(session)
        if not sessions:
            del self._sessions[session.username]
        self._services.metrics.sessions.dec()

    def _usernames(self) -> dict[str, str]:
        """Return whose each session is, by its id: what is registered."""
        return {session.id: session.username for session in self._all()}

    def _all(self) -> Iterable[Session]:
        return [session for sessions in self._sessions.values() for session in sessions]

    async def _dispatch(self, pushes: AsyncIterator[Push]) -> None:
        async for push in pushes:
            await asyncio.sleep(0)  # a burst is many pushes at once: others have their turn while it lasts
            if push.sweep:
                self._sweep_wanted.set()
            else:
                await self._deliver(push)

    async def _deliver(self, push: Push) -> None:
        """Offer a push to every session of its users; the bytes are made once for all sessions of a user."""
        written = 0
        for user in push.users:
            sessions = self._sessions.get(user)
            if not sessions:
                continue
            data = wire(frames.addressed(push.frame, user))
            for session in tuple(sessions):
                written += session.push(push, data)
                if written >= _FRAMES_PER_TURN:
                    self._services.metrics.pushes.inc(written)
                    written = 0
                    await asyncio.sleep(0)
        self._services.metrics.pushes.inc(written)

    async def _refresh(self) -> None:
        """Keep registrations alive; where one has gone missing, pushes were missed too, and a sweep is due."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                if self._usernames().keys() - await self._realtime.registered(self.id):
                    self._sweep_wanted.set()
                await self._realtime.register(self.id, self._usernames())
            except EngineUnavailableError as error:
                _log.warning("Sessions were not refreshed: %s", error)
                self._sweep_wanted.set()

    async def _sweep(self) -> None:
        interval = self._services.settings.sweep_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval * random.SystemRandom().uniform(0.8, 1.0)):  # jitter
                    await self._sweep_wanted.wait()
            self._sweep_wanted.clear()
            # Registering comes first: whatever was lost, registrations may be lost with it, and what is written after
            # the heads are read has to be pushed.
            registered = await self._register_all()
            try:
                await self.sweep()
            except EngineUnavailableError as error:
                _log.warning("The sweep failed: %s", error)
                self._sweep_wanted.set()
            if registered:
                await asyncio.sleep(_SWEEP_PAUSE_SECONDS)
            else:  # nothing is pushed while that lasts: only sweeps show new messages
                self._sweep_wanted.set()
                await asyncio.sleep(_UNREGISTERED_PAUSE_SECONDS)

    async def _register_all(self) -> bool:
        """Register all sessions; False where the engine is away."""
        try:
            await self._realtime.register(self.id, self._usernames())
        except EngineUnavailableError:
            return False
        return True
