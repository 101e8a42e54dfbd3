"""A gateway whose registrations are lost gets no pushes: it finds that out by itself, makes its sessions known again
and shows what they missed. The regular sweep, which would help too, does not come in these tests."""

import asyncio
import types
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from tests.integration.conftest import running
from tests.integration.people import DEADLINE, Person, System, chatter
from tests.integration.wires import Phone, Wire, eventually

from chat4all.gateway import hub
from chat4all.model.errors import EngineUnavailableError

pytestmark = pytest.mark.asyncio(loop_scope="module")
RARELY: Final = types.SimpleNamespace(uniform=lambda *_: 3600.0)
QUICK: Final[dict[str, object]] = {
    "REFRESH_SECONDS": 0.02,
    "_SWEEP_PAUSE_SECONDS": 0.02,
    "_UNREGISTERED_PAUSE_SECONDS": 0.02,
    "random": types.SimpleNamespace(SystemRandom=lambda: RARELY),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """Its gateway looks at its registrations all the time, and sweeps only where it has a reason."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUICK.items():
            patch.setattr(hub, name, value)
        async with running(tmp_path_factory.mktemp("system")) as made:
            yield made


class Scene:
    """Ana writes to bruno, who has a wire. `looks`: while it is set, the gateway may look at its registrations."""

    def __init__(self, system: System, ana: Person, chat: str, wire: Wire) -> None:
        self.looks = asyncio.Event()
        self.gateway, self.realtime = system.gateway.hub, system.realtime
        self.directory = system.engines.directory
        self._registered = self.realtime.registered
        self._ana, self._chat, self._wire = ana, chat, wire
        self._said = 0

    async def registered(self, gateway: str) -> frozenset[str]:
        await self.looks.wait()
        return await self._registered(gateway)

    async def rest(self) -> None:
        """Wait until the gateway has no reason left to look for what its sessions missed: a look that is under way
        would find what the test is about."""
        wanted = self.gateway._sweep_wanted

        async def waits() -> bool:
            return bool(wanted._waiters) and not wanted.is_set()

        await eventually(waits, "no sweep is under way")

    def forget(self) -> None:
        """What was known of sessions is lost, as by a Redis that was started again."""
        self.realtime._sessions.clear()

    def known_until(self) -> float:
        """On the clock of the registrations."""
        return max((until for held in self.realtime._sessions.values() for until in held.values()), default=0.0)

    async def say(self) -> None:
        """A message; it is stored."""
        await chatter(self._ana, self._chat, 1)
        self._said += 1

    async def check_shown(self) -> None:
        """All that was said is shown, once and in order."""
        await self._wire.up_to(self._chat, self._said, within=DEADLINE)
        assert self._wire.seqs(self._chat) == list(range(1, self._said + 1))


@pytest_asyncio.fixture(loop_scope="module")
async def scene(system: System, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    ana, bruno, chat = await system.pair()
    made = Scene(system, ana, chat, await phone.live(system, bruno))
    monkeypatch.setattr(made.realtime, "registered", made.registered)
    yield made
    made.looks.set()


async def away(*_: object) -> Any:
    raise EngineUnavailableError("realtime", "it is away")


async def test_registrations_are_refreshed(scene: Scene) -> None:
    before = scene.known_until()
    scene.looks.set()

    async def later() -> bool:
        return scene.known_until() > before

    await eventually(later, "a session is known for longer")


async def test_a_registration_that_is_gone_means_that_pushes_were_missed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = scene.realtime.register

    async def registered_later(*given: Any) -> None:
        await scene.looks.wait()
        await register(*given)

    await scene.rest()
    monkeypatch.setattr(scene.realtime, "register", registered_later)
    scene.forget()
    await scene.say()
    scene.looks.set()
    await scene.check_shown()
    await scene.say()
    await scene.check_shown()


async def test_where_registrations_cannot_be_looked_at_they_may_be_gone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.forget()
    for name in ("registered", "register"):
        monkeypatch.setattr(scene.realtime, name, away)
    scene.looks.set()
    for _ in range(2):
        await scene.say()
        await scene.check_shown()


async def test_while_sessions_cannot_be_made_known_sweeps_go_on(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.forget()
    with monkeypatch.context() as patch:
        patch.setattr(scene.realtime, "register", away)
        await scene.realtime.sweep()
        for _ in range(2):
            await scene.say()
            await scene.check_shown()
    for _ in range(2):
        await scene.say()
        await scene.check_shown()


async def test_a_sweep_that_fails_is_made_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    fails, conversations_of = [away, away], scene.directory.conversations_of

    async def asked(usernames: Any) -> dict[str, list[str]]:
        found: dict[str, list[str]] = await (fails.pop() if fails else conversations_of)(usernames)
        return found

    monkeypatch.setattr(scene.directory, "conversations_of", asked)
    scene.forget()
    await scene.say()
    await scene.realtime.sweep()
    await scene.check_shown()


async def test_what_is_said_while_a_gateway_looks_is_shown_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind its look at the heads: sessions are known again before that, so it is pushed."""
    sweep, looked = scene.gateway.sweep, asyncio.Event()

    async def sweep_and_say() -> None:
        await sweep()
        if not looked.is_set():
            await scene.say()
            looked.set()

    monkeypatch.setattr(scene.gateway, "sweep", sweep_and_say)
    scene.forget()
    await scene.realtime.sweep()
    async with asyncio.timeout(DEADLINE):
        await looked.wait()
    await scene.check_shown()
