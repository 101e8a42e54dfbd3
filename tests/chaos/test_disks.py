"""A whole server on a disk that is full, hangs, or turns read-only under it, while people write.

It says so: 503 with what to do next, never 500, never a 202 that does not hold. It stays up; once the disk is well it
goes on by itself, or after a start where nobody can mend a disk that is in use. Nothing that was accepted is lost.
"""

import asyncio
import random

import pytest
from tests.chaos.disks import Frozen, Full, ReadOnly, mounted
from tests.chaos.hub import Hub, together
from tests.chaos.length import SEED, length_of
from tests.chaos.writers import Writer, lost_or_doubled

from chat4all.client import AnswerError, Client

LENGTH = length_of("disks")
ROOMS = random.Random(SEED).sample((0, 4, 8, 16, 32, 60, 100, 200, 400), LENGTH.wide)  # KiB
IN_A_LOG = ("Traceback", "CRITICAL", " ended")


class Proof:
    """Two who write, one of them with keys, while the disk fails and is mended."""

    def __init__(self, hub: Hub, disk: Full | Frozen, writers: list[Writer]) -> None:
        self.hub = hub
        self.disk = disk
        self.writers = writers
        hub.moves = lambda: [sum(one.statuses.values()) for one in writers]

    async def accepted(self, more: int = LENGTH.work) -> None:
        """Wait until each has so many more 202s."""
        goals = {one.name: len(one.answered) + more for one in self.writers}
        await self.hub.until(
            lambda: all(len(one.answered) >= goals[one.name] for one in self.writers), "accepted again"
        )

    async def refused(self, more: int = 2) -> None:
        """Wait until each has so many more 503s."""
        goals = {one.name: len(one.refusals) + more for one in self.writers}
        await self.hub.until(lambda: all(len(one.refusals) >= goals[one.name] for one in self.writers), "refused")

    async def fail(self, over: asyncio.Event) -> None:
        """The disk fails and is mended, again and again."""
        await self.accepted()
        for _ in range(LENGTH.kills):
            await asyncio.to_thread(self.disk.fault)
            await self.refused()
            await self.mend()
            await self.accepted()
        over.set()

    async def mend(self) -> None:
        """The disk, and where that cannot be done under it, the server's start."""
        again = isinstance(self.disk, ReadOnly)
        if again:
            self.hub.up.clear()
            await asyncio.to_thread(self.hub.stop)
        await asyncio.to_thread(self.disk.mend)
        if again:
            await self.hub.live([])


@pytest.mark.parametrize("kind", [Full, Frozen, ReadOnly])
async def test_on_a_disk_that_fails_a_server_says_so_and_loses_nothing(tmp_path, report, kind):
    over = asyncio.Event()
    with mounted(kind, tmp_path / "disk") as disk:
        hub = Hub(tmp_path, data=tmp_path / "disk" / "data")
        async with hub.ended(), Client(hub.url, "ana", "demo") as ana, Client(hub.url, "bruno", "demo") as bruno:
            await hub.live([])
            chat = await ana.conversation_with("bruno")
            writers = [
                Writer(hub, "ana", await ana.token(), chat, True),
                Writer(hub, "bruno", await bruno.token(), chat, False),
            ]
            proof = Proof(hub, disk, writers)
            await together(proof.fail(over), *(one.write(over) for one in writers))
            await hub.call(ana, "GET", f"/v1/messages/{writers[0].answered[-1][0]}")
            await hub.call(ana, "GET", f"/v1/messages/{writers[1].answered[-1][0]}")
            found = lost_or_doubled(writers, await hub.history(ana, chat))
            assert await asyncio.to_thread(hub.stop) == 0
    statuses = {one.name: dict(one.statuses) for one in writers}
    report(f"{kind.__name__}: answers {statuses}")
    assert found == []
    for one in writers:
        assert set(one.statuses) <= ({0, 202, 503} if kind is ReadOnly else {202, 503}), statuses
        for answer in one.refusals:
            assert answer.json()["advice"]
            assert int(answer.headers["Retry-After"]) >= 1
    log = (tmp_path / "server.log").read_text()
    assert [line for line in log.splitlines() if any(word in line for word in IN_A_LOG)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_start_without_room_ends_with_a_sentence_and_the_next_works(tmp_path, room):
    """It does so however little `room` there is, in KiB."""
    with mounted(Full, tmp_path / "disk") as disk:
        assert isinstance(disk, Full)
        disk.leave(room << 10)
        hub = Hub(tmp_path, data=tmp_path / "disk" / "data")
        with pytest.raises(AnswerError) as refused:
            hub.start()
        assert "Traceback" not in str(refused.value)
        last = str(refused.value).strip().rpartition("\n")[2]
        assert last.startswith("chat4all: ")
        assert "--fresh" not in last
        disk.mend()
        try:
            hub.start()
        finally:
            assert hub.stop() == 0
