"""A hub whose connector is killed while it delivers, a simulator that misbehaves in every way it can, and a judge.

The judge reads the simulator's log, which is of another process and knows nothing of the hub, and asks the hub only how
many attempts it has put in doubt.
"""

import asyncio
import contextlib
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import httpx
from tests.integration.simulator.world import Simulator

from chat4all.cli.client import AnswerError, Client
from chat4all.cli.server import Server

BOT: Final = "support_bot"
LEASE: Final = 3  # seconds an attempt may take
_AT_ONCE: Final = 16
_PATIENCE: Final = 420.0  # seconds for all of it
_DOUBT: Final = re.compile(r"(\d+) attempts? in doubt")

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


class Load(NamedTuple):
    """How much: `outbound`, `inbound`: messages to and from each of so many chats; `kills`: at most, `landed`: within a
    call, until which there are more; `patience`: seconds for everything to come to its end when all is said."""

    chats: int
    outbound: int
    inbound: int
    kills: int
    landed: int
    patience: float = 120.0


class Told(NamedTuple):
    """What came of a run, for the judge. `doubts`: by text; `heard`: what the hub has of each phone, by its name;
    `down`: when the hub was killed and when it was there again."""

    texts: Mapping[str, Sequence[str]]
    said: Mapping[str, Sequence[str]]
    doubts: Mapping[str, int]
    heard: Mapping[str, Sequence[str]]
    entries: Sequence[Mapping[str, Any]]
    kills: int
    landed: int
    down: Sequence[tuple[float, float]]


class Run:
    """One hub over one simulator. `seed`: of kills and faults."""

    def __init__(self, simulator: Simulator, server: Server, load: Load, seed: int) -> None:
        self._simulator = simulator
        self._server = server
        self._load = load
        self._random = random.Random(seed)
        self._seed = seed
        self._ana = Client(server.url, "ana", "demo")
        self._http = httpx.AsyncClient(base_url=f"{simulator.url}/control", timeout=30, trust_env=False)
        self._up = asyncio.Event()
        self._phones: dict[str, int] = {f"phone_{i:03}": 0 for i in range(load.chats)}
        self._chats: dict[str, str] = {}  # the conversation of each phone
        self._messages: dict[str, str] = {}  # the text of each message's id
        self._down: list[tuple[float, float]] = []
        self._end = 0.0
        self.kills = 0
        self.landed = 0

    async def tell(self) -> Told:
        """All of it, until everything has come to an end."""
        async with self._ana, self._http, asyncio.timeout(_PATIENCE):
            await asyncio.to_thread(self._server.start)
            self._up.set()
            await self._meet()
            await self._misbehave()
            killing = asyncio.create_task(self._kill())
            await asyncio.gather(*self._writers())
            await killing
            await self._behave()
            return await self._told()

    async def _meet(self) -> None:
        """Everyone writes for the first time, and is a contact in a conversation of his own."""

        async def one(name: str) -> None:
            made = await self._control("PUT", f"/telegram/phones/{name}", {"first_name": name})
            self._phones[name] = made["id"]
            for text in ("/start", f"hello from {name}"):
                await self._control("POST", f"/telegram/phones/{name}/chats/{BOT}/messages", {"text": text})

        await bounded(one(name) for name in self._phones)
        while len(self._chats) < len(self._phones):
            async for page in self._ana.pages("/v1/conversations?limit=200"):
                named = {next(iter(one["names"].values()), ""): str(one["conversation_id"]) for one in page}
                self._chats |= {name: chat for name, chat in named.items() if name in self._phones}
            await asyncio.sleep(0.1)

    async def _misbehave(self) -> None:
        await self._control("PUT", "/seed", {"seed": self._seed})
        for name, rule in FAULTS.items():
            await self._control("POST", "/faults", {"id": name, "on": {"method": "sendMessage"}, **rule})
        for name, rule in UPDATE_FAULTS.items():
            await self._control("POST", "/faults", {"id": name, "on": {"update": "message"}, **rule})

    async def _behave(self) -> None:
        """Everything that was begun comes to its end."""
        await self._control("DELETE", "/faults")

    def _writers(self) -> list[Any]:
        gate = asyncio.Semaphore(_AT_ONCE)
        return [writer for name in self._phones for writer in (self._team(name, gate), self._person(name, gate))]

    async def _team(self, name: str, gate: asyncio.Semaphore) -> None:
        """Ana writes to this one: the next only when the one before is accepted, so that there is an order."""
        for i in range(self._load.outbound):
            text = f"{name} gets {i}"
            async with gate:
                self._messages[await self._post(name, text)] = text

    async def _post(self, name: str, text: str) -> str:
        key = text.replace(" ", "-")
        while True:
            await self._up.wait()
            with contextlib.suppress(AnswerError):
                return await self._ana.post(self._chats[name], text, key=key)
            await asyncio.sleep(0.05)

    async def _person(self, name: str, gate: asyncio.Semaphore) -> None:
        for i in range(self._load.inbound):
            async with gate:
                path = f"/telegram/phones/{name}/chats/{BOT}/messages"
                await self._control("POST", path, {"text": f"{name} says {i}"})
            await asyncio.sleep(self._random.random())

    async def _kill(self) -> None:
        """SIGKILL at a random moment, while there is something to be sent."""
        wanted = self._load.chats * self._load.outbound
        while self.landed < self._load.landed and self.kills < self._load.kills:
            await asyncio.sleep(1.0 + 4.0 * self._random.random())
            if await self._shown() >= wanted:
                return
            self._up.clear()
            killed = time.time()
            before = self._simulator.log()[-1]["n"]
            await asyncio.to_thread(self._server.kill)
            self.kills += 1
            await asyncio.sleep(0.2)  # for the simulator to see that the lines are closed
            self.landed += cut_off(await asyncio.to_thread(self._simulator.log), before)
            await asyncio.to_thread(self._server.start)
            self._down.append((killed, time.time() + LEASE))
            self._up.set()

    async def _shown(self) -> int:
        entries = await asyncio.to_thread(lambda: self._simulator.log(what="message"))
        return len({one["message"]["text"] for one in entries if " gets " in one["message"].get("text", "")})

    async def _told(self) -> Told:
        self._end = asyncio.get_running_loop().time() + self._load.patience
        doubts: Counter[str] = Counter()

        async def settle(message: str, text: str) -> None:
            events = await self._settled(message)
            found = [_DOUBT.search(one["detail"]) for one in events if one["what"] in {"sent", "failed"}]
            doubts[text] = max([int(one[1]) for one in found if one], default=0)

        await bounded(settle(message, text) for message, text in self._messages.items())
        heard = {name: await self._heard(chat, self._load.inbound) for name, chat in self._chats.items()}
        return Told(
            texts={name: [f"{name} gets {i}" for i in range(self._load.outbound)] for name in self._phones},
            said={name: [f"{name} says {i}" for i in range(self._load.inbound)] for name in self._phones},
            doubts=doubts,
            heard=heard,
            entries=await asyncio.to_thread(self._simulator.log),
            kills=self.kills,
            landed=self.landed,
            down=self._down,
        )

    async def _settled(self, message: str) -> list[dict[str, Any]]:
        """Its timeline when it has been sent or has failed. After a while without, as it is: the judge will say so."""
        events: list[dict[str, Any]] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._end):
                while not any(one["what"] in {"sent", "failed"} for one in events):
                    events = await self._timeline(message)
                    await asyncio.sleep(0.05)
        return events

    async def _timeline(self, message: str) -> list[dict[str, Any]]:
        with contextlib.suppress(AnswerError):
            found: list[dict[str, Any]] = (await self._ana.call("GET", f"/v1/messages/{message}/timeline")).json()
            return found
        return []

    async def _heard(self, chat: str, wanted: int) -> list[str]:
        """What the phone's own side of a conversation says, when it is complete, or as it is after a while."""
        found: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._end):
                while len(found) < wanted:
                    page = (await self._ana.call("GET", f"/v1/conversations/{chat}/messages?limit=200")).json()
                    found = [one["content"] for one in page if " says " in one["content"]]
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


def cut_off(entries: Sequence[Mapping[str, Any]], before: int) -> bool:
    """Whether a line was closed, after entry `before`, on which a send had not been answered."""
    open_calls: dict[str, int] = {}
    calls: dict[int, str] = {}
    for one in entries:
        match one["what"]:
            case "received" if one.get("method") == "sendMessage":
                open_calls[one["connection"]] = one["n"]
                calls[one["n"]] = one["connection"]
            case "answered" if one["call"] in calls:
                open_calls.pop(calls[one["call"]], None)
            case "closed" if one["n"] > before and one["connection"] in open_calls:
                return True
    return False


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

    A chat is parked from a 429 to the next call for it. In every second of that others are called: each may be once.
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
        busy = len({other for again, other in calls if again > end and other != chat}) > _AT_ONCE
        if not busy or any(since < end and at < until for since, until in told.down):
            continue
        parked += 1
        others = sum(at < again < end and other != chat for again, other in calls)
        if others < int(end - at):
            found.append(f"chat {chat} was parked for {end - at:.1f} s, and there were {others} calls for others")
    return parked, found


@contextlib.asynccontextmanager
async def ended(server: Server) -> AsyncIterator[None]:
    """However it goes, the server does not stay."""
    try:
        yield
    finally:
        await asyncio.to_thread(server.kill)
