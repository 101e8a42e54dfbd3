"""A hub that dies while it delivers, a simulator that misbehaves in every way it can, and a judge.

The judge reads the simulator's log, which is of another process and knows nothing of the hub, and asks the hub only how
many attempts it has put in doubt.
"""

import asyncio
import contextlib
import random
import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import httpx
from tests.chaos.hub import Death, Hub, Patience, StuckError, together
from tests.chaos.people import BOT
from tests.integration.simulator.world import Simulator

from chat4all.client import Client

LEASE: Final = 3  # seconds an attempt may take
OPEN: Final = ("claimed", "asked", "answered")  # points at which the ledger holds an attempt without an end
_AT_ONCE: Final = 16
_PACE: Final = 0.5  # seconds between what is more: twice as quick as a chat is written to
_MOST: Final = 1000  # messages to a chat, where a death never comes

# Everything that can go wrong with a call or an update, each now and then.
FAULTS: Final[Mapping[str, dict[str, Any]]] = {
    "too-many-requests": {"probability": 0.03, "do": {"fault": "too_many_requests", "retry_after": 2}},
    "an-error-before": {"probability": 0.02, "do": {"fault": "server_error", "status": 502, "when": "before"}},
    "an-error-after": {"probability": 0.02, "do": {"fault": "server_error", "status": 500, "when": "after"}},
    "slow-before": {"probability": 0.05, "do": {"fault": "slow", "seconds": 0.4, "when": "before"}},
    "slow-after": {"probability": 0.05, "do": {"fault": "slow", "seconds": 0.4, "when": "after"}},
    "cut-before": {"probability": 0.02, "do": {"fault": "cut", "when": "before"}},
    "cut-after": {"probability": 0.02, "do": {"fault": "cut", "when": "after"}},
    "cut-within": {"probability": 0.02, "do": {"fault": "cut", "when": "after", "bytes": 60}},
    "half-open": {"probability": 0.01, "do": {"fault": "half_open", "when": "after"}},
    "wrong-JSON": {"probability": 0.01, "do": {"fault": "wrong_json"}},
    "overtaken": {"probability": 0.01, "do": {"fault": "overtaken", "seconds": 0.5}},
}
UPDATE_FAULTS: Final[Mapping[str, dict[str, Any]]] = {
    "duplicated": {"probability": 0.1, "do": {"fault": "duplicate", "copies": 2}},
    "delayed": {"probability": 0.05, "do": {"fault": "delay", "seconds": 0.5}},
    "batched": {"probability": 0.05, "do": {"fault": "batch", "size": 3, "seconds": 1}},
    "reordered": {"probability": 0.1, "do": {"fault": "reorder", "size": 3}},
    "forged": {"probability": 0.05, "do": {"fault": "bad_signature", "posts": 1}},
}


Rules = Mapping[str, dict[str, Any]]


def by_turns(rules: Rules, every: int) -> dict[str, dict[str, Any]]:
    """The same faults, by counting and not by chance: each of them comes, twice, in however short a run."""
    return {
        name: {"every": every + number, "times": 2, "do": rule["do"]}
        for number, (name, rule) in enumerate(rules.items())
    }


class Load(NamedTuple):
    """How much: `outbound`, `inbound`: messages to and from each of so many chats; `calls`, `updates`: what goes wrong
    with them; `deaths`: of the server; `goes_on`: the team writes more than that until the last death, so that it does
    not run out of messages to die at, however slow the machine is."""

    chats: int
    outbound: int
    inbound: int
    calls: Rules
    updates: Rules
    deaths: Sequence[Death]
    goes_on: bool = False


class Told(NamedTuple):
    """What came of a run, for the judge. `doubts`: by text; `heard`: what the hub has of each phone, by its name;
    `left`: where it died, and how many attempts were without an end then; `down`: from when to when."""

    texts: Mapping[str, Sequence[str]]
    said: Mapping[str, Sequence[str]]
    doubts: Mapping[str, int]
    heard: Mapping[str, Sequence[str]]
    entries: Sequence[Mapping[str, Any]]
    left: Sequence[tuple[str, int]]
    down: Sequence[tuple[float, float]]


class Run:
    """One hub over one simulator. `seed`: of faults and of how people write."""

    def __init__(self, simulator: Simulator, hub: Hub, load: Load, seed: int) -> None:
        self._simulator = simulator
        self._hub = hub
        self._load = load
        self._random = random.Random(seed)
        self._seed = seed
        self._ana = Client(hub.url, "ana", "demo")
        self._http = httpx.AsyncClient(base_url=f"{simulator.url}/control", timeout=120, trust_env=False)
        self._phones: dict[str, int] = {f"phone_{i:03}": 0 for i in range(load.chats)}
        self._chats: dict[str, str] = {}  # the conversation of each phone
        self._messages: dict[str, str] = {}  # the text of each message's id
        self._posted: Counter[str] = Counter()  # messages to each phone
        self._left: list[tuple[str, int]] = []
        self._settled = 0
        self._over = asyncio.Event()  # it has died for the last time
        hub.moves = lambda: (len(self._chats), len(self._messages), self._settled)

    async def tell(self) -> Told:
        """All of it, until everything has come to an end."""
        async with self._hub.ended(), self._ana, self._http:
            await together(self._live(), self._talk())
            await self._control("DELETE", "/faults")  # everything that was begun comes to its end
            return await self._told()

    async def _live(self) -> None:
        await self._hub.live(self._load.deaths, self._look)
        self._over.set()

    def _look(self, point: str) -> None:
        """At how many attempts have no end, in a copy of the ledger."""
        copy = self._hub.data.parent / f"death-{len(self._left)}"
        copy.mkdir()
        for file in self._hub.data.glob("ledger.db*"):
            shutil.copy(file, copy)
        query = "SELECT COUNT(*) FROM attempts WHERE result IS NULL AND NOT uncertain"
        with contextlib.closing(sqlite3.connect(copy / "ledger.db")) as connection:
            self._left.append((point, connection.execute(query).fetchone()[0]))

    async def _talk(self) -> None:
        await self._meet()
        await self._misbehave()
        await together(*self._writers())

    async def _meet(self) -> None:
        """Everyone writes for the first time, and is a contact in a conversation of their own."""

        async def one(name: str) -> None:
            made = await self._control("PUT", f"/telegram/phones/{name}", {"first_name": name})
            self._phones[name] = made["id"]
            for text in ("/start", f"hello from {name}"):
                await self._control("POST", f"/telegram/phones/{name}/chats/{BOT}/messages", {"text": text})

        await bounded(one(name) for name in self._phones)
        patience = Patience(self._hub, "everybody known")
        while len(self._chats) < len(self._phones):
            page = await self._hub.call(self._ana, "GET", "/v1/conversations?limit=200")
            named = {next(iter(one["names"].values()), ""): str(one["conversation_id"]) for one in page}
            self._chats |= {name: chat for name, chat in named.items() if name in self._phones}
            await patience.wait()

    async def _misbehave(self) -> None:
        await self._control("PUT", "/seed", {"seed": self._seed})
        for name, rule in self._load.calls.items():
            on = {"method": "sendMessage", **({"chat": self._phones[rule["phone"]]} if "phone" in rule else {})}
            told = {key: value for key, value in rule.items() if key != "phone"}
            await self._control("POST", "/faults", {"id": name, "on": on, **told})
        for name, rule in self._load.updates.items():
            await self._control("POST", "/faults", {"id": name, "on": {"update": "message"}, **rule})

    def _writers(self) -> list[Any]:
        gate = asyncio.Semaphore(_AT_ONCE)
        return [writer for name in self._phones for writer in (self._team(name, gate), self._person(name, gate))]

    async def _team(self, name: str, gate: asyncio.Semaphore) -> None:
        """Ana writes to this one: the next only when the one before is accepted, so that there is an order."""
        for i in range(_MOST):
            if i >= self._load.outbound:
                if not self._load.goes_on or self._over.is_set():
                    return
                await asyncio.sleep(_PACE)
            text = f"{name} gets {i}"
            body = {"chat_id": self._chats[name], "content": text}
            async with gate:
                made = await self._hub.call(self._ana, "POST", "/v1/messages", body, key=text.replace(" ", "-"))
                self._messages[made["message_id"]] = text
                self._posted[name] += 1

    async def _person(self, name: str, gate: asyncio.Semaphore) -> None:
        for i in range(self._load.inbound):
            async with gate:
                path = f"/telegram/phones/{name}/chats/{BOT}/messages"
                await self._control("POST", path, {"text": f"{name} says {i}"})
            await asyncio.sleep(self._random.random())

    async def _told(self) -> Told:
        doubts: Counter[str] = Counter()

        async def settle(message: str, text: str) -> None:
            with contextlib.suppress(StuckError):  # the judge will say what is missing
                doubts[text] = await self._hub.doubts(self._ana, message)
                self._settled += 1

        await bounded(settle(message, text) for message, text in self._messages.items())
        heard = {name: await self._heard(chat, self._load.inbound) for name, chat in self._chats.items()}
        return Told(
            texts={name: [f"{name} gets {i}" for i in range(self._posted[name])] for name in self._phones},
            said={name: [f"{name} says {i}" for i in range(self._load.inbound)] for name in self._phones},
            doubts=doubts,
            heard=heard,
            entries=await asyncio.to_thread(self._simulator.log),
            left=self._left,
            down=[(since, until + LEASE) for since, until in self._hub.down],
        )

    async def _heard(self, chat: str, wanted: int) -> list[str]:
        """What the phone's own side of a conversation says, when it is complete."""
        patience, found = Patience(self._hub, f"all heard in {chat}"), [""] * bool(wanted)
        while len([one for one in found if one]) < wanted:
            found = [one["content"] for one in await self._hub.history(self._ana, chat) if " says " in one["content"]]
            await patience.wait(found)
        return found

    async def _control(self, verb: str, path: str, body: object = None) -> Any:
        answer = await self._http.request(verb, path, json=body)
        assert answer.status_code == 200, f"{verb} {path}: {answer.text}"
        return answer.json()


async def bounded(works: Any) -> None:
    """Do them all, a few at once."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(work: Any) -> None:
        async with gate:
            await work

    await asyncio.gather(*(one(work) for work in works))


def faults_of(told: Told) -> list[str]:
    """What is not as it must be, a sentence each."""
    shown: dict[str, list[str]] = defaultdict(list)
    for one in told.entries:
        if one["what"] == "message" and one["message"]["from"]["is_bot"]:
            shown[one["message"]["chat"]["first_name"]].append(one["message"]["text"])
    found = []
    for name, texts in told.texts.items():
        counted = Counter(shown[name])
        found += [f"{text}: missing" for text in texts if not counted[text]]
        found += [
            f"{text}: {counted[text]} times with {told.doubts.get(text, 0)} in doubt"
            for text in texts
            if counted[text] > 1 + told.doubts.get(text, 0)
        ]
        turns = [texts.index(text) for text in shown[name] if text in texts]
        if turns != sorted(turns):
            found.append(f"{name}: out of order: {turns}")
    for name, said in told.said.items():
        if sorted(told.heard[name]) != sorted(said):
            found.append(f"{name} said {len(said)}, heard {sorted(told.heard[name])}")
    return found


def held_up(told: Told) -> tuple[int, list[str]]:
    """How many times a chat was parked while others had something to be sent, and where those did not go on.

    A chat is parked from a 429 to the next call for it. Others that are called after that had something meanwhile.
    """
    calls = [
        (one["at"], one["chat"])
        for one in told.entries
        if one["what"] == "received" and one.get("method") == "sendMessage"
    ]
    last = max(at for at, _ in calls)
    refused = [(one["at"], one["chat"]) for one in told.entries if one["what"] == "answered" and one["status"] == 429]
    parked, found = 0, []
    for at, chat in refused:
        end = min((again for again, other in calls if other == chat and again > at), default=last)
        busy = len({other for again, other in calls if again > end and other != chat}) > len(told.texts) // 4
        if not busy or any(since < end and at < until for since, until in told.down):
            continue
        parked += 1
        if not any(at < again < end and other != chat for again, other in calls):
            found.append(f"chat {chat} was parked for {end - at:.1f} s, and there was no call for others")
    return parked, found
