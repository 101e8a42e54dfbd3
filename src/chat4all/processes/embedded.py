"""The engines of embedded mode: SQLite files in a folder and queues in this process, with nothing else installed."""

import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path

from chat4all.accounts.keys import Keyring
from chat4all.accounts.shared_tokens import SharedTokens
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.limits.embedded import EmbeddedLimits
from chat4all.log.embedded import EmbeddedLog
from chat4all.model.errors import StartError
from chat4all.processes import data_folder, installation, tracing
from chat4all.processes.config import Settings
from chat4all.processes.engines import Engines, ManagedEngine
from chat4all.realtime.embedded import EmbeddedRealtime
from chat4all.store.embedded.ledger import EmbeddedLedger
from chat4all.store.embedded.store import EmbeddedStore
from chat4all.telemetry.metrics import Metrics

_FOLDER = "CHAT4ALL_EMBEDDED__DATA"


def engines(settings: Settings) -> Engines:
    """Four files in the data folder. Nothing is opened before `Engines.open`."""
    data = settings.embedded.data
    log = EmbeddedLog(data / "log.db", installation.topics(settings))
    store, ledger = EmbeddedStore(data / "store.db"), EmbeddedLedger(data / "ledger.db")
    sql = Sql.in_file(data / "directory.db")
    return Engines(
        log=log,
        store=store,
        ledger=ledger,
        directory=SqlDirectory(sql),
        channels=SqlChannels(sql),
        realtime=EmbeddedRealtime(),
        limits=EmbeddedLimits(),
        metrics=Metrics(),
        traces=tracing.opened(settings.tracing, "embedded"),
        managed={
            "log": ManagedEngine(log, _FOLDER),
            "store": ManagedEngine(store, _FOLDER),
            "ledger": ManagedEngine(ledger, _FOLDER),
            "directory": ManagedEngine(sql, _FOLDER),
        },
        adapters=dict.fromkeys(("log", "store", "directory", "realtime", "limits"), "embedded"),
        place=f"log.db in {data}",
        exclusive=True,
        holder="embedded",
        check_complete=_complete(data, log),
    )


def settings_of(settings: Settings) -> Settings:
    """The settings by which this process runs: with the demo's users, and with keys and a token of its own where none
    are set, made in the data folder. Raises StartError."""
    data, accounts, internal = settings.embedded.data, settings.accounts, settings.internal
    if accounts.keys_dir is None:
        Keyring.load_or_make(data / "keys", accounts.signing_key)
    token = internal.token_file or data / "internal-token"
    if internal.token_file is None:
        SharedTokens.load_or_make(token)
    keys = accounts.keys_dir or data / "keys"
    return settings.model_copy(
        update={
            "accounts": accounts.model_copy(update={"demo": True, "keys_dir": keys}),
            "internal": internal.model_copy(update={"token_file": token}),
        }
    )


def check_loopback(host: str, variable: str) -> None:
    """Embedded mode has users whose password everyone knows. Raises StartError for an address others can reach.

    `variable`: what has set it.
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise StartError(f"{variable} is {host}; embedded mode listens on loopback only, as 127.0.0.1.")


def _complete(data: Path, log: EmbeddedLog) -> Callable[[], Awaitable[None]]:
    """What raises StartError where a database is gone that this installation had: what was accepted would be lost, or
    sent twice, or never shown. A first start that was killed lacks the last ones, and its log has no topics."""

    async def check() -> None:
        gone = data_folder.missing(data)
        if not gone:
            return
        if gone == [*data_folder.DATABASES[-len(gone) :]]:
            await log.open()
            begun = log.begun
            await log.close()
            if not begun:
                return
        raise StartError(
            f"{' and '.join(f'{name}.db' for name in gone)} of {data} {'are' if len(gone) > 1 else 'is'} gone, and the "
            "rest is there. Restore the whole folder from one backup, or start clean with --fresh."
        )

    return check
