"""The log: what came, what went, what changed, in the order in which it happened."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse

from chat4all_simulator.control import streams
from chat4all_simulator.journal import Entry, Journal

After = Annotated[int, Query(ge=0, description="Only entries after this number; 0: from the first.")]
What = Annotated[list[str] | None, Query(description="Only these kinds, received and answered for example.")]
Bot = Annotated[str | None, Query(description="Only calls and posts of this bot's, by its user name.")]
Chat = Annotated[int | None, Query(description="Only calls for this chat.")]
Method = Annotated[str | None, Query(description="Only calls of this method.")]

_ENTRIES_PER_READ = 2000


def router(journal: Journal) -> APIRouter:
    """Return the routes of /control/log and its stream."""
    routes = APIRouter(tags=["log"])

    @routes.get("/log")
    async def log(
        after: After = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
        what: What = None,
        bot: Bot = None,
        chat: Chat = None,
        method: Method = None,
    ) -> dict[str, Any]:
        """Entries, oldest first: `entries`; `next`: the number to go on after; `last`: of the last entry there is."""
        journal.flush()
        wanted = _wanted(what, bot, chat, method)
        entries: list[Entry] = []
        while len(entries) < limit and after < journal.last:
            piece = await asyncio.to_thread(journal.read, after, _ENTRIES_PER_READ)
            if not piece:
                break
            matching = [entry for entry in piece if _is_wanted(entry, wanted)][: limit - len(entries)]
            entries += matching
            after = matching[-1]["n"] if len(entries) == limit else piece[-1]["n"]
        return {"entries": entries, "next": after, "last": journal.last}

    @routes.get("/log/stream")
    async def stream(
        request: Request,
        after: After = 0,
        what: What = None,
        bot: Bot = None,
        chat: Chat = None,
        method: Method = None,
        last_event_id: Annotated[int | None, Header(ge=0)] = None,
    ) -> StreamingResponse:
        """The same as server-sent events, and then every new one; each has its number as id."""
        start = after if last_event_id is None else last_event_id
        return streams.response(request, _entries(journal, start, _wanted(what, bot, chat, method)))

    return routes


def _wanted(what: list[str] | None, bot: str | None, chat: int | None, method: str | None) -> dict[str, Any]:
    filters: dict[str, Any] = {"bot": bot, "chat": chat, "method": method}
    return {name: value for name, value in filters.items() if value is not None} | ({"what": what} if what else {})


def _is_wanted(entry: Entry, wanted: dict[str, Any]) -> bool:
    kinds = wanted.get("what")
    if kinds is not None and entry["what"] not in kinds:
        return False
    return all(entry.get(name) == value for name, value in wanted.items() if name != "what")


async def _entries(journal: Journal, after: int, wanted: dict[str, Any]) -> AsyncIterator[bytes]:
    while True:
        for entry in await asyncio.to_thread(journal.read, after, _ENTRIES_PER_READ):
            after = entry["n"]
            if _is_wanted(entry, wanted):
                yield streams.line(entry, after)
        try:
            async with asyncio.timeout(15):
                await journal.grown(after)
        except TimeoutError:
            yield b": alive\n\n"
