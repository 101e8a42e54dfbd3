"""MinIO, or what of it is still to be had: its Go module, built here. Only S3 is spoken to it."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import minio
import urllib3

from chat4all_devtools import cache
from chat4all_devtools.stack import go
from chat4all_devtools.stack.engine import LOOK_SECONDS, Engine, run

_VERSION: Final = "v0.0.0-20260212201848-7aac2a2c5b7c"
_USER: Final = "chat4all"


class Minio(Engine):
    """The engine of files, an S3 store."""

    name = "minio"
    title = "MinIO"
    default_ports: ClassVar = {"main": 19000, "console": 19001}

    def install(self) -> None:
        with cache.alone(self._program.parent.name):
            if self._program.exists():
                return
            program = go.program()
            self._program.parent.mkdir(parents=True, exist_ok=True)
            module = f"github.com/minio/minio@{_VERSION}"
            run([program, "install", module], cwd=self.library, environment=self._environment())

    def prepare(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)

    def command(self) -> Sequence[str]:
        # Its password comes in the environment, so that no process list shows it.
        addresses = ["--address", self.address, "--console-address", f"{self.host}:{self.port('console')}"]
        script = f'MINIO_ROOT_USER={_USER} MINIO_ROOT_PASSWORD=$(cat "$0") exec "$@"'
        server = [str(self._program), "server", "--quiet", *addresses, str(self.folder / "data")]
        return ["sh", "-c", script, str(self.password), *server]

    def version(self) -> str:
        with urllib3.PoolManager(timeout=LOOK_SECONDS, retries=False) as pool:
            password = self.password.read_text()
            client = minio.Minio(self.address, access_key=_USER, secret_key=password, secure=False, http_client=pool)
            client.list_buckets()
        return _VERSION.split("-")[1][:8]

    def _environment(self) -> dict[str, str]:
        return {
            "GOBIN": str(self._program.parent),
            "CGO_ENABLED": "0",
            "HOME": str(Path.home()),
        }

    @property
    def _program(self) -> Path:
        return self.library / f"minio-{_VERSION[-12:]}" / "minio"
