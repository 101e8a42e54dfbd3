"""Fault points: every call that a part makes through a port can be stopped before or after it has its effect."""

import asyncio
import enum
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from chat4all.model.errors import EngineUnavailableError


class Fault(enum.StrEnum):
    """What happens at a point. TEAR: half of what a write was to write is written, then the part crashes."""

    CRASH = "crash"
    PAUSE = "pause"
    UNAVAILABLE = "unavailable"
    TEAR = "tear"


class CrashError(BaseException):
    """The process is gone; nothing of the code under test may catch it."""


HITS: Counter[tuple[str, str]] = Counter()  # (point, fault) → how often, over a whole run


class Gates:
    """The points of one part. `watch` is called at each, as a reader that looks in at the worst moment."""

    def __init__(self, watch: Callable[[], Awaitable[None]]) -> None:
        self._watch = watch
        self._armed: tuple[str, Fault] | None = None
        self._release: asyncio.Future[None] | None = None
        self.parked = asyncio.Event()

    def arm(self, point: str, fault: Fault) -> None:
        """Have this happen when the point is reached next."""
        self._armed = (point, fault)

    def disarm(self) -> None:
        """Nothing happens any more."""
        self._armed = None

    def wake(self) -> None:
        """Let a part that is paused go on."""
        self.parked.clear()
        if self._release is not None and not self._release.done():
            self._release.set_result(None)

    def due(self, point: str) -> Fault | None:
        """The fault that is armed for this point, now spent and counted."""
        if self._armed is None or self._armed[0] != point:
            return None
        fault = self._armed[1]
        self._armed = None
        HITS[point, fault] += 1
        return fault

    async def reach(self, point: str, engine: str) -> None:
        """A part has come to this point."""
        await self._watch()
        fault = self.due(point)
        if fault in (Fault.CRASH, Fault.TEAR):
            raise CrashError(point)
        if fault is Fault.UNAVAILABLE:
            raise EngineUnavailableError(engine, f"fault at {point}")
        if fault is Fault.PAUSE:
            self._release = asyncio.get_running_loop().create_future()
            self.parked.set()
            await self._release


class Gated:
    """A port behind gates. `engine`: its name in errors and in the names of points."""

    def __init__(self, port: Any, engine: str, gates: Gates) -> None:
        self._port = port
        self._engine = engine
        self._gates = gates

    def consumer(self, group: str, topic: str) -> Any:
        """A consumer's calls are points of the log as well."""
        return Gated(self._port.consumer(group, topic), self._engine, self._gates)

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._port, name)
        if not inspect.iscoroutinefunction(target):
            return target
        point = f"{self._engine}.{name}"

        async def gated(*given: Any, **named: Any) -> Any:
            if name.startswith("put_"):
                await self._tear(point, target, given)
            await self._gates.reach(f"{point}:before", self._engine)
            result = await target(*given, **named)
            await self._gates.reach(f"{point}:after", self._engine)
            return result

        return gated

    async def _tear(self, point: str, target: Callable[..., Awaitable[None]], given: tuple[Any, ...]) -> None:
        """A write over several partitions of a distributed store is not all or nothing."""
        if self._gates.due(f"{point}:torn") is None:
            return
        await target(*(list(part)[::2] for part in given))
        raise CrashError(f"{point}:torn")
