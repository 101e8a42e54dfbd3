"""Redis: nothing of it is kept on disk, since nothing of it has to last."""

from collections.abc import Sequence
from typing import ClassVar, Final

import redis

from chat4all_devtools.stack.engine import LOOK_SECONDS, Engine, need

_ADVICE: Final = "On Debian or Ubuntu: apt-get install redis-server"


class Redis(Engine):
    """The engine of push, presence and shared limits."""

    name = "redis"
    title = "Redis"
    default_ports: ClassVar = {"main": 16379}

    def install(self) -> None:
        need("redis-server", _ADVICE)

    def prepare(self) -> None:
        lines = [f"bind {self.host}", f"port {self.port()}", f"dir {self.folder}", 'save ""', "appendonly no"]
        lines += [f"requirepass {self.password.read_text()}"]
        configuration = self.folder / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str]:
        return [need("redis-server", _ADVICE), str(self.folder / "redis.conf")]

    def version(self) -> str:
        with redis.Redis(
            self.host, self.port(), password=self.password.read_text(), socket_timeout=LOOK_SECONDS
        ) as client:
            return str(client.info("server")["redis_version"])
