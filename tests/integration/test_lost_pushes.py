"""Pushes that are lost (docs/websocket.md): the next message, a sweep or a look of one's own brings what was missed."""

import contextlib
import random
from collections.abc import Iterator, Sequence

import pytest
from tests.integration.conftest import Start
from tests.integration.people import System, busy, chatter
from tests.integration.wires import Phone

from chat4all.model.errors import EngineUnavailableError
from chat4all.realtime.port import Push

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Realtime:
    """Loses pushes of a running system while `lost` is entered; `unavailable`: and says so."""

    def __init__(self, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
        self._realtime = system.engines.realtime
        self._monkeypatch = monkeypatch

    @contextlib.contextmanager
    def lost(self, *, unavailable: bool = False) -> Iterator[None]:
        async def lose(_: Sequence[Push]) -> None:
            if unavailable:
                raise EngineUnavailableError("realtime", "it is away")

        with self._monkeypatch.context() as patch:
            patch.setattr(self._realtime, "publish", lose)
            yield


async def test_the_next_message_brings_those_whose_push_was_lost(
    system: System, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, bruno, chat = await system.pair()
    wire = await phone.live(system, bruno)
    await ana.post(chat, "1")
    await wire.up_to(chat, 1)
    with Realtime(system, monkeypatch).lost():
        messages = await chatter(ana, chat, 3)
        await ana.edit(messages[0], "changed")
    await ana.post(chat, "6")
    frames = await wire.up_to(chat, 6)
    assert [(one["seq"], one["type"]) for one in frames] == [
        (1, "message"),
        (2, "message"),
        (3, "message"),
        (4, "message"),
        (5, "edit"),
        (6, "message"),
    ]
    assert frames[1]["content"] == "changed"


async def test_lost_pushes_of_the_first_messages_of_a_conversation(
    system: System, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, bruno, _ = await system.pair()
    wire = await phone.live(system, bruno)
    with Realtime(system, monkeypatch).lost():
        chat = await ana.conversation("bruno")
        await chatter(ana, chat, 2)
    await ana.post(chat, "3")
    await wire.up_to(chat, 3)
    assert wire.seqs(chat) == [1, 2, 3]


async def test_a_sweep_brings_a_last_message_whose_push_was_lost(
    start: Start, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing follows it, so no jump in the seq tells of it; in old conversations and in one made meanwhile."""
    sweeping = await start(gateway={"sweep_seconds": 0.2})
    ana, bruno, chat = await sweeping.pair()
    wire = await phone.live(sweeping, bruno)
    with Realtime(sweeping, monkeypatch).lost():
        await chatter(ana, chat, 3)
        made = await ana.conversation("bruno")
        await chatter(ana, made, 2)
    await wire.up_to(chat, 3)
    await wire.up_to(made, 2)
    await chatter(ana, chat, 1)
    await wire.up_to(chat, 4)
    assert wire.seqs(chat) == [1, 2, 3, 4]
    assert wire.seqs(made) == [1, 2]


async def test_a_sweep_on_request_brings_what_was_lost(
    system: System, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, bruno, chat = await system.pair()
    wire = await phone.live(system, bruno)
    with Realtime(system, monkeypatch).lost():
        await chatter(ana, chat, 3)
    await system.engines.realtime.sweep()
    await wire.up_to(chat, 3)
    assert wire.seqs(chat) == [1, 2, 3]


async def test_a_router_that_could_not_publish_has_the_gateways_look(
    system: System, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No further message is needed, nor the regular sweep, which is a minute away."""
    ana, bruno, chat = await system.pair()
    wire = await phone.live(system, bruno)
    with Realtime(system, monkeypatch).lost(unavailable=True):
        await chatter(ana, chat, 3)
    await wire.up_to(chat, 3)
    await ana.post(chat, "4")
    await wire.up_to(chat, 4)
    assert wire.seqs(chat) == [1, 2, 3, 4]


@pytest.mark.parametrize("seed", [1])
async def test_order_holds_while_pushes_are_lost_at_random(
    start: Start, phone: Phone, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    sweeping = await start(gateway={"sweep_seconds": 0.2})
    ana, bruno, chat = await sweeping.pair()
    realtime = sweeping.engines.realtime
    publish = realtime.publish

    async def leaky(pushes: Sequence[Push]) -> None:
        await publish([push for push in pushes if push.seq is None or dice.random() < 0.5])

    wires = [await phone.live(sweeping, person) for person in (ana, bruno, bruno)]
    with monkeypatch.context() as patch:
        patch.setattr(realtime, "publish", leaky)
        await busy([ana, bruno], chat, 100, dice)
        for wire in wires:
            await wire.up_to(chat, 100)
    for wire in wires:
        assert wire.seqs(chat) == list(range(1, 101))


async def test_a_repeated_push_is_shown_once(system: System, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay of the router pushes again, late and in any order."""
    ana, bruno, chat = await system.pair()
    realtime = system.engines.realtime
    publish = realtime.publish
    sent: list[Push] = []

    async def stuttering(pushes: Sequence[Push]) -> None:
        sent.extend(push for push in pushes if push.seq is not None)
        await publish([*pushes, *reversed(sent)])

    wire = await phone.live(system, bruno)
    with monkeypatch.context() as patch:
        patch.setattr(realtime, "publish", stuttering)
        await chatter(ana, chat, 20)
    await ana.post(chat, "21")
    await wire.up_to(chat, 21)
    assert wire.seqs(chat) == list(range(1, 22))
