"""Updates on their way to a bot's mailbox: only of the kinds it wants, and through whatever goes wrong with them."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from chat4all_simulator.faults.rules import BadSignature, Batch, Delay, Duplicate, Reorder, UpdateFault
from chat4all_simulator.faults.script import Script
from chat4all_simulator.journal import Entry, Journal
from chat4all_simulator.telegram.events import Queued
from chat4all_simulator.telegram.objects import MemberUpdate, Message
from chat4all_simulator.telegram.witness import PROVIDER_NAME
from chat4all_simulator.telegram.world import Bot, World

_RETENTION_SECONDS: Final = 86_400  # for so long a bot can fetch an update
_MAX_WAITING_UPDATES: Final = 100_000  # of one bot

_encode = msgspec.json.Encoder().encode


class _Coming(NamedTuple):
    """An update that has no id yet."""

    queue: str
    kind: str
    payload: msgspec.Raw
    date: int
    fault: UpdateFault | None


class _Held(NamedTuple):
    """An update that is not let through yet; `entry`: its number in the log."""

    entry: int
    coming: _Coming
    due: asyncio.Event


@dataclass
class _Gathering:
    """Updates of a bot that are to come together."""

    wanted: int
    due: asyncio.Event = field(default_factory=asyncio.Event)
    timer: asyncio.TimerHandle | None = None
    held: int = 0


class Updates:
    """Puts what happens into the bots' mailboxes, late or together where a fault says so."""

    def __init__(self, world: World, script: Script, journal: Journal) -> None:
        self._world = world
        self._script = script
        self._journal = journal
        self._lines: dict[tuple[int, str], deque[_Held]] = {}  # by bot and queue
        self._gatherings: dict[int, _Gathering] = {}  # by bot
        self._tasks: set[asyncio.Task[None]] = set()
        self._unreleased: dict[int, Entry] = {}  # held back when the process ended

    def send(self, bot: Bot, kind: str, payload: Message | MemberUpdate) -> None:
        """Tell the bot, if it wants to hear of this kind."""
        if kind not in bot.mailbox.allowed:
            return
        if len(bot.mailbox) >= _MAX_WAITING_UPDATES:
            self._journal.note("dropped", bot=bot.user.id, kind=kind, reason="too many updates wait")
            return
        chat, date = (
            payload.chat.id,
            payload.edit_date or payload.date if isinstance(payload, Message) else payload.date,
        )
        queue = f"member {chat}" if isinstance(payload, MemberUpdate) else str(chat)
        raw = msgspec.Raw(_encode(payload))
        fault = self._script.on_update(PROVIDER_NAME, bot.user.username, chat, kind)
        line = self._lines.get((bot.user.id, queue))
        if line is None and not isinstance(fault, Delay | Batch | Reorder):
            self._put(bot, _Coming(queue, kind, raw, date, fault))
            return
        entry = self._journal.note("held", bot=bot.user.id, queue=queue, kind=kind, date=date, payload=raw)
        held = _Held(entry, _Coming(queue, kind, raw, date, fault), self._due(bot, fault))
        if line is None:
            line = self._lines[bot.user.id, queue] = deque()
            task = asyncio.create_task(self._release(bot, queue, line))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        line.append(held)

    def replay(self, entry: Entry) -> None:
        """Remember what was held back when the process ended, for `resume`."""
        if entry["what"] == "held":
            self._unreleased[entry["n"]] = entry
        elif entry["what"] == "released":
            self._unreleased.pop(entry["held"], None)

    def resume(self) -> None:
        """Let through, after the replay, what was held back when the process ended."""
        for entry in self._unreleased.values():
            self._journal.note("released", held=entry["n"])
            raw = msgspec.Raw(_encode(entry["payload"]))
            coming = _Coming(entry["queue"], entry["kind"], raw, entry["date"], None)
            self._put(self._world.bots[entry["bot"]], coming)
        self._unreleased.clear()

    async def stop(self) -> None:
        """Hold back what is held back until the next start."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _due(self, bot: Bot, fault: UpdateFault | None) -> asyncio.Event:
        """Return the event that is set when an update with this fault may go on."""
        if isinstance(fault, Batch | Reorder):
            return self._gather(bot, fault)
        due = asyncio.Event()
        if isinstance(fault, Delay):
            asyncio.get_running_loop().call_later(fault.seconds, due.set)
        else:
            due.set()
        return due

    def _gather(self, bot: Bot, fault: Batch | Reorder) -> asyncio.Event:
        gathering = self._gatherings.get(bot.user.id)
        if gathering is None or gathering.due.is_set():
            gathering = self._gatherings[bot.user.id] = _Gathering(fault.size)
            gathering.timer = asyncio.get_running_loop().call_later(fault.seconds, gathering.due.set)
        gathering.held += 1
        if gathering.held >= gathering.wanted:
            gathering.due.set()
        return gathering.due

    async def _release(self, bot: Bot, queue: str, line: deque[_Held]) -> None:
        while line:
            held = line[0]
            await held.due.wait()
            line.popleft()
            self._journal.note("released", held=held.entry)
            self._put(bot, held.coming)
        del self._lines[bot.user.id, queue]

    def _put(self, bot: Bot, coming: _Coming) -> None:
        update_id, fault = bot.mailbox.next_id, coming.fault
        self._world.change(
            Queued(
                bot=bot.user.id,
                update_id=update_id,
                kind=coming.kind,
                queue=coming.queue,
                until=coming.date + _RETENTION_SECONDS,
                update=msgspec.Raw(
                    b'{"update_id":%d,"%b":%b}' % (update_id, coming.kind.encode(), bytes(coming.payload))
                ),
                copies=fault.copies if isinstance(fault, Duplicate) else 0,
                reordered=isinstance(fault, Reorder),
                forged=fault.posts if isinstance(fault, BadSignature) else 0,
            )
        )
