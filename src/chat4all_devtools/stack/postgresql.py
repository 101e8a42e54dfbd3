"""PostgreSQL, Debian's own. It does not run as root: as root it is run by the user postgres."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import psycopg2

from chat4all_devtools.stack.engine import LOOK_SECONDS, LOOPBACK, Engine, StackError, run

_USER: Final = "chat4all"
_ADVICE: Final = "PostgreSQL is not installed. On Debian or Ubuntu: apt-get install postgresql"


class PostgreSql(Engine):
    """The directory's engine. Its database and its user are both called chat4all."""

    name = "postgresql"
    title = "PostgreSQL"
    default_ports: ClassVar = {"main": 15432}

    def install(self) -> None:
        _programs()

    def prepare(self) -> None:
        if (self.folder / "data").exists():
            return
        password = self.password
        if _root():
            shutil.chown(self.folder, "postgres")
            shutil.chown(password, "postgres")
            self._check_reachable()
        made = ["initdb", "--pgdata=data", f"--username={_USER}", f"--pwfile={password}", "--auth=scram-sha-256"]
        made += ["--encoding=UTF8", "--locale=C", "--no-instructions"]
        run([*_prefix(), str(_programs() / made[0]), *made[1:]], cwd=self.folder)
        if self.host != LOOPBACK:  # initdb lets only this machine in
            with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet scram-sha-256\nhost all all 10.0.0.0/8 scram-sha-256\n")

    def command(self) -> Sequence[str]:
        server = [str(_programs() / "postgres"), f"-D{self.folder}/data", f"-p{self.port()}", f"-k{self.folder}"]
        return [*_prefix(), *server, "-c", f"listen_addresses={self.host}", "-c", "max_connections=200"]

    def version(self) -> str:
        connection = psycopg2.connect(self._url("postgres"), connect_timeout=int(LOOK_SECONDS))
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_setting('server_version')")
                version: str = cursor.fetchone()[0]
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_USER,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {_USER}")
                return version.split(maxsplit=1)[0]
        finally:
            connection.close()

    def _url(self, database: str) -> str:
        return f"postgresql://{_USER}:{self.password.read_text()}@{self.address}/{database}"

    def _check_reachable(self) -> None:
        """The user postgres has to come as far as its folder."""
        tried = subprocess.run([*_prefix(), "test", "-w", self.folder], check=False)
        if tried.returncode != 0:
            raise StackError(
                f"The user postgres cannot reach {self.folder}: one of the folders above it is closed to others. "
                "Give one that is open to them: make stack-up STACK=FOLDER"
            )


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    installed = shutil.which("postgres")
    if installed is None:
        raise StackError(_ADVICE)
    return Path(installed).parent


def _root() -> bool:
    return os.geteuid() == 0


def _prefix() -> list[str]:
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if _root() else []
