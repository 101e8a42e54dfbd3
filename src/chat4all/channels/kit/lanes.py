"""Lanes: what goes to one chat goes in order, and one that waits holds up no other.

An offset is done with when what stands there is; a partition is committed up to the lowest that is not.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Generic, NamedTuple, TypeVar

from chat4all.log.port import Assignment
from chat4all.model.errors import EngineUnavailableError

_log = logging.getLogger(__name__)

T = TypeVar("T")

_AWAY: Final = 1.0  # seconds until it is tried again when an engine is away

Work = Callable[[T], Awaitable[float | None]]  # None: it is done; else the seconds after which to do it again


class _Item(NamedTuple, Generic[T]):
    assignment: Assignment
    offset: int
    what: T


class Lanes(Generic[T]):
    """`work`: done for each, one at a time in a lane, for `busy` lanes at once; `most`: how many may wait in all."""

    def __init__(self, work: Work[T], *, busy: int, most: int) -> None:
        self._work = work
        self._busy = asyncio.Semaphore(busy)
        self._most = most
        self._lanes: dict[bytes, deque[_Item[T]]] = {}
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._open: dict[Assignment, dict[int, bool]] = {}  # offsets in order, and whether each is done
        self._next: dict[Assignment, int] = {}
        self._waiting = 0
        self._parked: set[bytes] = set()
        self._room = asyncio.Event()
        self._room.set()
        self.broken = asyncio.Event()  # a fault in the code: the consumer must not go on

    def put(self, assignment: Assignment, offset: int, lane: bytes, what: T) -> None:
        """One more, behind the others of its lane."""
        self._open.setdefault(assignment, {})[offset] = False
        self._next[assignment] = offset + 1
        self._waiting += 1
        if self._waiting >= self._most:
            self._room.clear()
        self._lanes.setdefault(lane, deque()).append(_Item(assignment, offset, what))
        if lane not in self._tasks:
            task = self._tasks[lane] = asyncio.create_task(self._run(lane))
            task.add_done_callback(self._ended)

    def skip(self, assignment: Assignment, offset: int) -> None:
        """Nothing is to be done for this offset."""
        self._open.setdefault(assignment, {})[offset] = True
        self._next[assignment] = offset + 1

    async def room(self) -> None:
        """Returns when more may be put."""
        await self._room.wait()

    def done(self) -> dict[Assignment, int]:
        """For each assignment the next offset to read: all before it are done with."""
        offsets = {}
        for assignment, opened in self._open.items():
            for offset in list(itertools.takewhile(opened.__getitem__, opened)):
                del opened[offset]
            offsets[assignment] = next(iter(opened), self._next[assignment])
        return offsets

    def keep_only(self, assignments: frozenset[Assignment]) -> None:
        """Forget what belongs to others now; what is being done at this moment is finished."""
        for lane, items in self._lanes.items():
            kept = deque(one for i, one in enumerate(items) if one.assignment in assignments or self._is_at(lane, i))
            self._waiting -= len(items) - len(kept)
            self._lanes[lane] = kept
        for assignment in self._open.keys() - assignments:
            del self._open[assignment], self._next[assignment]
        self._tell_room()

    @property
    def waiting(self) -> int:
        """How many are not done."""
        return self._waiting

    @property
    def parked(self) -> int:
        """How many lanes stand still until it makes sense to try again."""
        return len(self._parked)

    async def stop(self, *, seconds: float) -> None:
        """Let what is being done come to its end, so long at most; the rest stays undone."""
        for items in self._lanes.values():
            while len(items) > 1:
                items.pop()
        tasks = [*self._tasks.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_at(self, lane: bytes, index: int) -> bool:
        return index == 0 and lane in self._tasks

    async def _run(self, lane: bytes) -> None:
        while items := self._lanes[lane]:
            item = items[0]
            wait = await self._once(item)
            if wait is not None:
                self._parked.add(lane)
                await asyncio.sleep(wait)
                self._parked.discard(lane)
                continue
            self._lanes[lane].popleft()
            self._waiting -= 1
            self._tell_room()
            if item.offset in self._open.get(item.assignment, ()):
                self._open[item.assignment][item.offset] = True
        del self._lanes[lane], self._tasks[lane]

    async def _once(self, item: _Item[T]) -> float | None:
        """An engine that is away is never poison: it is done again, for as long as that takes."""
        async with self._busy:
            try:
                return await self._work(item.what)
            except EngineUnavailableError as error:
                _log.warning("A lane waits: %s", error)
                return _AWAY

    def _tell_room(self) -> None:
        if self._waiting < self._most:
            self._room.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.critical("A lane ended", exc_info=task.exception())
            self.broken.set()
