"""Lanes: what goes to one chat goes in order, and one that waits holds up no other.

An offset is done with when what stands there is; a partition is committed up to the lowest that is not. A lane that has
to wait for long is parked: what is in it moves to a table, and what comes for it queues behind that there, so that it
keeps neither memory nor the partition.
"""

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from chat4all.log.port import Assignment
from chat4all.model.errors import EngineUnavailableError

_log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_RETRY_SECONDS: Final = 1.0  # until it is tried again when an engine is away

PARK_AFTER_SECONDS: Final = 30.0  # that a lane waits in memory

Work = Callable[[T], Awaitable[float | None]]  # None: it is done; else the seconds after which to do it again


class _Item(NamedTuple, Generic[T]):
    assignment: Assignment
    offset: int
    what: T


class Parking(Protocol[T]):
    """Where lanes are parked, by the partition that they belong to. Every method raises EngineUnavailableError."""

    async def add(self, partition: int, lane: bytes, items: Sequence[tuple[int, T]]) -> None:
        """Keep these, by their offsets; the same again changes nothing."""
        ...

    async def first(self, partition: int, lane: bytes) -> tuple[int, T] | None:
        """The one of the lowest offset."""
        ...

    async def remove(self, partition: int, lane: bytes, offset: int) -> None:
        """This record is done: it waits no longer."""
        ...

    async def lanes(self, partition: int) -> Sequence[bytes]:
        """The lanes that have records of this assignment."""
        ...


class Lanes(Generic[T]):
    """`work`: done for each, one at a time in a lane, for `busy` lanes at once; `most`: how many may wait in memory;
    `parking`: where a lane goes that has to wait for longer than `parked_after` seconds."""

    def __init__(
        self,
        work: Work[T],
        *,
        busy: int,
        most: int,
        parking: Parking[T] | None = None,
        parked_after: float = PARK_AFTER_SECONDS,
    ) -> None:
        self._work = work
        self._busy = asyncio.Semaphore(busy)
        self._most = most
        self._lanes: dict[bytes, deque[_Item[T]]] = {}
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._open: dict[Assignment, dict[int, bool]] = {}  # offsets in order, and whether each is done
        self._next: dict[Assignment, int] = {}
        self._waiting = 0
        self._resting: set[bytes] = set()
        self._parking = parking
        self._parked_after = parked_after
        self._parked: dict[bytes, Assignment] = {}
        self._more: dict[bytes, asyncio.Event] = {}  # something was put into a lane that rests
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
        if lane in self._more:
            self._more[lane].set()
        self._begin(lane)

    async def adopt(self, assignment: Assignment) -> None:
        """Go on with the lanes that are parked under an assignment that is new."""
        parking = self._parking
        if parking is None:
            return
        for lane in await self._surely(lambda: parking.lanes(assignment.partition)):
            self._parked[lane] = assignment
            self._lanes.setdefault(lane, deque())
            self._begin(lane)

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
        self._parked = {lane: held for lane, held in self._parked.items() if held in assignments}
        for assignment in self._open.keys() - assignments:
            del self._open[assignment], self._next[assignment]
        self._tell_room()

    @property
    def waiting(self) -> int:
        """How many records are not done yet."""
        return self._waiting

    @property
    def occupied(self) -> int:
        """How many lanes have something that is not done yet."""
        return len(self._tasks)

    @property
    def parked(self) -> int:
        """How many lanes stand still until it makes sense to try again."""
        return len(self._resting)

    async def stop(self, *, seconds: float) -> None:
        """Let what is being done come to its end, so long at most; the rest stays undone."""
        for items in self._lanes.values():
            while len(items) > 1:
                items.pop()
        tasks = [*self._tasks.values()]
        for lane in self._resting:  # nothing is being done there
            self._tasks[lane].cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_at(self, lane: bytes, index: int) -> bool:
        return index == 0 and lane in self._tasks

    def _begin(self, lane: bytes) -> None:
        if lane not in self._tasks:
            task = self._tasks[lane] = asyncio.create_task(self._run(lane))
            task.add_done_callback(self._ended)

    async def _run(self, lane: bytes) -> None:
        since: float | None = None  # when it began to wait
        while (item := await self._surely(lambda: self._head(lane))) is not None:
            wait = await self._once(item)
            if wait is None:
                since = None
                await self._surely(partial(self._finish, lane, item))
                continue
            since = time.monotonic() if since is None else since
            if time.monotonic() + wait - since > self._parked_after:
                self._park(lane, item)
            await self._rest(lane, wait)
        del self._lanes[lane], self._tasks[lane]

    async def _head(self, lane: bytes) -> _Item[T] | None:
        """What is to be done next: of what is parked the first, before anything that waits in memory."""
        if lane in self._parked and self._parking is not None:
            assignment = self._parked[lane]
            await self._stow(lane)
            found = await self._parking.first(assignment.partition, lane)
            if found is not None:
                return _Item(assignment, *found)
            self._parked.pop(lane, None)
        return next(iter(self._lanes[lane]), None)

    async def _finish(self, lane: bytes, item: _Item[T]) -> None:
        if self._lanes[lane] and self._lanes[lane][0] is item:
            self._lanes[lane].popleft()
            self._left(item)
        elif self._parking is not None:
            await self._parking.remove(item.assignment.partition, lane, item.offset)

    def _park(self, lane: bytes, item: _Item[T]) -> None:
        if self._parking is not None:
            self._parked.setdefault(lane, item.assignment)

    async def _stow(self, lane: bytes) -> None:
        """What waits in memory for a parked lane goes to the table; then its offsets are done with."""
        assignment = self._parked.get(lane)
        items = [one for one in self._lanes[lane] if one.assignment is assignment]
        if not items or assignment is None or self._parking is None:
            return
        await self._parking.add(assignment.partition, lane, [(one.offset, one.what) for one in items])
        for one in items:
            self._lanes[lane].remove(one)
            self._left(one)

    def _left(self, item: _Item[T]) -> None:
        self._waiting -= 1
        self._tell_room()
        if item.offset in self._open.get(item.assignment, ()):
            self._open[item.assignment][item.offset] = True

    async def _rest(self, lane: bytes, seconds: float) -> None:
        """Wait so long. What comes for a lane that is parked goes to the table meanwhile."""
        self._resting.add(lane)
        more = self._more[lane] = asyncio.Event()
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                await self._surely(lambda: self._stow(lane))
                more.clear()
                try:
                    async with asyncio.timeout(left):
                        await more.wait()
                except TimeoutError:
                    return
        finally:
            self._resting.discard(lane)
            del self._more[lane]

    async def _surely(self, call: Callable[[], Awaitable[R]]) -> R:
        while True:
            try:
                return await call()
            except EngineUnavailableError as error:
                _log.warning("A parked lane waits: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _once(self, item: _Item[T]) -> float | None:
        """An engine that is away is never poison: it is done again, for as long as that takes."""
        async with self._busy:
            try:
                return await self._work(item.what)
            except EngineUnavailableError as error:
                _log.warning("A lane waits: %s", error)
                return _RETRY_SECONDS

    def _tell_room(self) -> None:
        if self._waiting < self._most:
            self._room.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.critical("A lane ended", exc_info=task.exception())
            self.broken.set()
