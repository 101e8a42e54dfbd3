"""A hub that dies at named points and is started again, and waiting that never gives up while something moves."""

import asyncio
import contextlib
import random
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.chaos.killed import ASKED, STEPS

from chat4all.client import AnswerError, Client
from chat4all_devtools.server import Server

_STILL: Final = 120.0  # seconds in which nothing has moved: a fault
_MOVED: Final = 5000  # times that something has moved in a life that does not end: its death does not come any more
UNLIMITED: Final = {
    "CHAT4ALL_API__POSTS_PER_SECOND": "100000",
    "CHAT4ALL_API__POST_BURST": "100000",
    "CHAT4ALL_ACCOUNTS__LOGINS_PER_MINUTE": "100000",
    "CHAT4ALL_ACCOUNTS__LOGIN_BURST": "1000",
    "CHAT4ALL_GATEWAY__REPLAY_LIMIT": "100000",
}
_DOUBT: Final = re.compile(r"(\d+) attempts? in doubt")

Death = tuple[str, int]  # a point of `killed`, and at which passing of it


class Hub(Server):
    """`moves`: a picture of what has been done so far; as long as it changes nobody loses patience."""

    def __init__(self, folder: Path, *program: str, data: Path | None = None) -> None:
        settings = {**UNLIMITED, "CHAT4ALL_CHANNELS__FOLDER": str(folder / "none")}
        super().__init__(data or folder / "data", folder / "server.log", settings, program or ("tests.chaos.killed",))
        self.moves: Callable[[], object] = lambda: None
        self.still = _STILL
        self.up = asyncio.Event()
        self.deaths = 0
        self.down: list[tuple[float, float]] = []  # from each death until it was there again
        self._died = 0.0
        self._steps = folder / "steps"
        self._steps.write_bytes(bytes(8))
        self.set(**{STEPS: str(self._steps)})

    async def live(
        self, deaths: Sequence[Death], look: Callable[[str], object] = lambda _: None, *, last: str = ""
    ) -> None:
        """One life after another, each with its death; the last one stays. `look`: at what a death at a point left;
        `last`: the death that awaits the last."""
        for point, nth in deaths:
            await self._begin(f"{point}:{nth}")
            await self._dead(f"{point}:{nth}")
            await asyncio.to_thread(look, point)
        await self._begin(last)

    async def _begin(self, death: str) -> None:
        self.set(**{ASKED: death})
        try:
            await asyncio.to_thread(self.start)
        except AnswerError:
            if self.process.exit_code != -signal.SIGKILL or not death:
                raise  # else it has died while it did again what its last life had not committed
        if self._died:
            self.down.append((self._died, time.time()))
        self.up.set()

    async def _dead(self, death: str) -> None:
        patience = Patience(self, f"dead at {death}", most=_MOVED)
        while self.process.alive:
            await patience.wait()
        self._died = time.time()
        self.up.clear()
        self.deaths += 1
        last = self.process.log.read_text(errors="replace").rstrip().rpartition("\n")[2]
        assert (self.process.exit_code, last) == (-signal.SIGKILL, f"KILLED at {death}"), last

    @property
    def steps(self) -> int:
        """How many steps it has made in this life, if that is one that ends at a step."""
        return int.from_bytes(self._steps.read_bytes(), sys.byteorder)

    def signal(self, what: signal.Signals) -> None:
        """Send a signal to the hub's process, which has to be running."""
        self.process.send_signal(what)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until it holds. Fails when nothing at all has moved for long."""
        patience = Patience(self, what)
        while not condition():
            await patience.wait()

    async def call(self, client: Client, method: str, path: str, body: object = None, *, key: str | None = None) -> Any:
        """The answer to what is safe to ask again, asked until it is answered. Refusals are raised, but 503 and 404."""
        patience = Patience(self, f"{method} {path}")
        while True:
            await self.up.wait()
            try:
                return (await client.call(method, path, body, key=key)).json()
            except AnswerError as error:
                if error.status not in (0, 503, 404):  # 404: not stored yet
                    raise
            await patience.wait()

    async def history(self, client: Client, chat: str, kinds: str = "messages") -> list[dict[str, Any]]:
        """The rows of a conversation from the first to the last, page by page, as GET …/messages has them."""
        rows: list[dict[str, Any]] = []
        while page := await self.call(
            client,
            "GET",
            f"/v1/conversations/{chat}/messages?after_seq={rows[-1]['seq'] if rows else 0}&limit=200&kinds={kinds}",
        ):
            rows += page
        return rows

    async def doubts(self, client: Client, message: str) -> int:
        """Wait until it is known what came of a message; how many of its attempts are in doubt."""
        patience = Patience(self, f"known what came of {message}")
        while True:
            events = await self.call(client, "GET", f"/v1/messages/{message}/timeline")
            if any(one["what"] in {"sent", "failed"} for one in events):
                details = {one["detail"] for one in events}
                return sum(int(found[1]) for found in map(_DOUBT.search, details) if found)
            await patience.wait(events)

    @contextlib.asynccontextmanager
    async def ended(self) -> AsyncIterator[None]:
        """However it goes, it does not stay."""
        try:
            yield
        finally:
            await asyncio.to_thread(self.kill)


class StuckError(AssertionError):
    """What a proof waits for does not come: nothing that it watches has changed for long, or far too much has."""


class Patience:
    """Ends when nothing has moved for long, however long that has taken in all; or when more than `most` has."""

    def __init__(self, hub: Hub, what: str, *, most: int = sys.maxsize) -> None:
        self._hub = hub
        self._what = what
        self._most = most
        self._last, self._since = "", time.monotonic()

    async def wait(self, seen: object = None) -> None:
        """A moment; `seen`: how what is waited for stands. Fails where nothing has moved for too long."""
        await asyncio.sleep(0.05)
        now = repr((self._hub.deaths, self._hub.moves(), seen))
        if now != self._last or not self._hub.up.is_set():  # whoever starts it has a deadline of their own
            self._last, self._since = now, time.monotonic()
            self._most -= 1
        if self._most < 0:
            raise StuckError(f"not {self._what}, though much has moved: {now}")
        if time.monotonic() - self._since > self._hub.still:
            raise StuckError(f"not {self._what}, and nothing moves: {now}")


def deaths(points: Sequence[str], kills: int, chance: random.Random, *, latest: int = 20) -> list[Death]:
    """So many, each point in turn, each at some passing of it."""
    order = chance.sample(points, len(points))
    return [(order[i % len(order)], chance.randint(1, latest)) for i in range(kills)]


async def together(*works: Any) -> None:
    """All of them to their end; the first that fails ends the others."""
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)
