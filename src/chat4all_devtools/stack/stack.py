"""The stack: all engines together in one folder."""

import concurrent.futures
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chat4all_devtools import cache
from chat4all_devtools.stack.cassandra import Cassandra
from chat4all_devtools.stack.engine import LOOPBACK, Engine
from chat4all_devtools.stack.kafka import Kafka
from chat4all_devtools.stack.minio import Minio
from chat4all_devtools.stack.postgresql import PostgreSql
from chat4all_devtools.stack.redis import Redis

ENGINES: Final[dict[str, type[Engine]]] = {kind.name: kind for kind in (Kafka, Cassandra, PostgreSql, Redis, Minio)}


class Stack:
    """The engines named, or all, in this folder. `host`: the address of this machine that they listen on."""

    def __init__(self, folder: Path, names: Sequence[str] = (), host: str = LOOPBACK) -> None:
        self.folder = folder
        library = cache.folder("engines")
        self._engines = {name: ENGINES[name](folder, library, host) for name in names or ENGINES}

    def __getitem__(self, name: str) -> Engine:
        return self._engines[name]

    @property
    def engines(self) -> Sequence[Engine]:
        """Each engine of the stack, in the order of their starts."""
        return list(self._engines.values())

    def up(self, *, free_ports: bool = False) -> dict[str, str]:
        """Install, start and wait for all at once; their versions by name. Raises StackError."""

        def begin(engine: Engine) -> str:
            if engine.pid is None:
                engine.install()
                engine.choose_ports(free=free_ports)
                engine.start()
            return engine.wait()

        with concurrent.futures.ThreadPoolExecutor() as threads:
            return dict(zip(self._engines, threads.map(begin, self.engines), strict=True))

    def down(self) -> None:
        """Stop all engines at the same time."""
        with concurrent.futures.ThreadPoolExecutor() as threads:
            list(threads.map(lambda engine: engine.stop(), self.engines))
