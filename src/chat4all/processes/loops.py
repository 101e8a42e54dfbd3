"""The loops of a process: tasks that are to run for ever."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from chat4all.futures import cancelled

_logger = logging.getLogger(__name__)


class Loops:
    """Named tasks that are to run for ever. One that ends is a fault: the process is not live any more, and stops."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, Callable[[], None]] = {}
        self._ended = asyncio.Event()
        self._stopping = False

    def start(self, name: str, loop: Coroutine[Any, Any, None], *, ends: Callable[[], None] | None = None) -> None:
        """Run it until `stop`. `ends`: asks it to come to its end when it has done what it is at."""
        task = asyncio.create_task(loop, name=name)
        task.add_done_callback(self._note)
        self._tasks[name] = task
        if ends is not None:
            self._ends[name] = ends

    @property
    def broken(self) -> bool:
        """Whether a loop has ended by itself."""
        return self._ended.is_set()

    def live(self) -> Mapping[str, str | None]:
        """What is wrong with each loop; None: it turns."""
        return {name: "it ended" if task.done() else None for name, task in self._tasks.items()}

    async def ended(self) -> None:
        """Returns when a loop has ended by itself."""
        await self._ended.wait()

    async def stop(self, *, seconds: float = 0.0) -> None:
        """End them all, the last started first; each that can gets so many seconds to finish what it is at."""
        self._stopping = True
        for name, task in reversed(self._tasks.items()):
            if name in self._ends and seconds:
                self._ends[name]()
                await asyncio.wait({task}, timeout=seconds)
            if not await cancelled(task):
                _logger.critical("Loop %s does not end, and is left", name)
        self._tasks.clear()

    def _note(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (self._stopping and task.exception() is None):
            return
        _logger.critical("Loop %s ended", task.get_name(), exc_info=task.exception())
        self._ended.set()
