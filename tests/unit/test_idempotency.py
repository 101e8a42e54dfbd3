"""Keys while the store hangs: a request waits for it once, goes on without, and is one message all the same."""

import asyncio
from typing import Any

import pytest
from tests.unit.spine.world import World

from chat4all.conversations import idempotency
from chat4all.conversations.acceptance import Acceptance
from chat4all.conversations.idempotency import Idempotency, KeyedRequest
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.rows import KeyedAnswer
from chat4all.store.embedded.store import EmbeddedStore


class Ailing:
    """A store to which something happens when it is asked for a key, or told of one. `asked`: what it was, so far."""

    def __init__(self, store: EmbeddedStore, *, answered: str = "well", put_answered: str = "well") -> None:
        self.store = store
        self.asked: list[str] = []
        self._happens = {"answered": answered, "put_answered": put_answered}

    async def answered(self, sender: str, key: str) -> KeyedAnswer | None:
        await self._happen("answered")
        return await self.store.answered(sender, key)

    async def put_answered(self, sender: str, key: str, answered: KeyedAnswer) -> None:
        await self._happen("put_answered")
        await self.store.put_answered(sender, key, answered)

    async def _happen(self, what: str) -> None:
        self.asked.append(what)
        match self._happens[what]:
            case "hangs":
                await asyncio.Event().wait()
            case "refuses":
                raise EngineUnavailableError("store", "it is down")


SOON = 0.05  # seconds: what hangs here hangs for ever, and so need not be waited for


HANGS = {"hangs": ["answered"], "refuses": ["answered", "put_answered"]}


@pytest.mark.parametrize("how", HANGS)
async def test_a_store_that_hung_is_not_asked_again_and_one_that_refused_is(world: World, how: str) -> None:
    store: Any = Ailing(world.store, answered=how)  # of a Store it has what keys need
    keyed = Idempotency(store).of(KeyedRequest("ana", "key", "digest"))
    if how == "hangs":
        keyed._seconds_left = SOON
    assert await keyed.recall() is None
    await keyed.remember("id")
    assert store.asked == HANGS[how]


async def test_a_store_that_hangs_when_told_is_not_waited_for(world: World) -> None:
    store: Any = Ailing(world.store, put_answered="hangs")
    keyed = Idempotency(store).of(KeyedRequest("ana", "key", "digest"))
    assert await keyed.recall() is None
    keyed._seconds_left = SOON
    await keyed.remember("id")
    assert store.asked == ["answered", "put_answered"]


async def test_the_same_request_while_the_store_hangs_is_one_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "STORE_WAIT_SECONDS", SOON)
    store, chat = Ailing(world.store, answered="hangs", put_answered="hangs"), world.chats[0]
    well = world.acceptance
    world.acceptance = Acceptance(
        log=world.log,
        store=store,  # type: ignore[arg-type] # see above
        membership=world._membership,
        metrics=world.metrics,
    )
    ids = [await world.post("ana", chat, "once", "key") for _ in range(2)]
    world.acceptance = well
    ids.append(await world.post("ana", chat, "once", "key"))
    await world.seats[0].run()
    [row] = await world.store.history(chat, after_seq=0, limit=10)
    assert ids == [row.message_id] * 3
    await world.verdict()
