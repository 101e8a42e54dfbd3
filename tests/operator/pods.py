"""What pods of a connector do where no kubelet runs any: they tell how they are, in the place where real ones do."""

import asyncio
import time
from typing import Any

from tests.operator.processes import Hub

from chat4all.directory.channels import Report
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.engine import Sql

WELL = {
    "role": "receives",
    "authenticated": True,
    "registered": True,
    "account_name": "support_bot",
    "reason": "Connected",
    "sentence": "The connector works.",
}


def tells(hub: Hub, uid: str, pod: str = "pod-0", *, ago: float = 0.0, **said: Any) -> None:
    """A pod reports, some seconds ago; all is well but for what is said."""
    at = int((time.time() - ago) * 1000)
    made = Report(**{**WELL, **said, "pod": pod, "at": at})
    _in_directory(hub, lambda channels: channels.report(uid, made, {}))


def claims(hub: Hub, uid: str, account: str) -> None:
    """A pod has found out whose account its credentials are."""
    _in_directory(hub, lambda channels: channels.claim_account(uid, account))


def _in_directory(hub: Hub, work: Any) -> None:
    async def do() -> None:
        sql = Sql.in_file(hub.folder / "data" / "directory.db")
        try:
            await work(SqlChannels(sql))
        finally:
            await sql.close()

    asyncio.run(do())
