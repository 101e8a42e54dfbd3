"""What the pods of a connector would do, where no kubelet runs any: a hub plays one, or a report of one is written."""

import asyncio
import time
from collections.abc import Mapping

from tests.operator.processes import Hub

from chat4all.directory.channels import Report
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.engine import Sql


def play(hub: Hub, uid: str, keys: Mapping[str, str], pod: str = "connector-support-0") -> None:
    """Start the hub again as the pod of this connector: with its uid, and its Secret as files."""
    folder = hub.folder / f"credentials-{uid}"
    folder.mkdir()
    for name, value in keys.items():
        (folder / name).write_text(value)
    hub.server.stop()
    hub.server.set(
        CHAT4ALL_CHANNELS__UID=uid, CHAT4ALL_CHANNELS__CREDENTIALS_DIR=str(folder), CHAT4ALL_CHANNELS__POD=pod
    )
    hub.start()


def report(hub: Hub, *uids: str) -> None:
    """A pod of each of these connectors reports that all is well, in the place where real ones do."""
    said = {"role": "receives", "authenticated": True, "registered": True, "account_name": "support_bot"}
    word = Report(pod="pod-0", at=int(time.time() * 1000), reason="Connected", sentence="It works.", **said)

    async def write() -> None:
        sql = Sql.in_file(hub.folder / "data" / "directory.db")
        try:
            for uid in uids:
                await SqlChannels(sql).report(uid, word, {})
        finally:
            await sql.close()

    asyncio.run(write())
