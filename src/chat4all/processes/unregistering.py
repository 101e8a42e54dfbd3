"""What `chat4all unregister` does: it needs the directory and the provider, and no other engine."""

import asyncio
import logging

from chat4all.connectors import unregistering
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.engine import Sql
from chat4all.processes import config


def unregister(seconds: float) -> str:
    """Unregister the connector of the settings within so many seconds; its id. Raises StartError that says why it was
    not done."""
    settings = config.load()
    logging.getLogger("chat4all").setLevel(logging.CRITICAL)  # what stood in the way is said once, at the end

    async def work() -> str:
        sql = Sql.at(settings.directory)
        try:
            return await unregistering.unregister(SqlChannels(sql), settings.channels, seconds=seconds)
        finally:
            await sql.close()

    return asyncio.run(work())
