"""The simulator's process, whole and real, its bots and its phones, as tests use them."""

import contextlib
import gc
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
from tests.forking.processes import COMMAND, begin

DEADLINE: Final = 60.0  # seconds for anything that is waited for

_names = itertools.count(1)


class Simulator:
    """A process on a folder; it can be killed and started again. `client`: asks it, at paths."""

    def __init__(self, data: Path, *options: str, **environment: str) -> None:
        self.data = data
        self._options = options
        self._environment = environment
        self.start()

    def start(self, port: int = 0) -> None:
        """Start it and read its address."""
        command = [*COMMAND, "simulator", "--json", "--port", str(port)]
        command += ["--data", str(self.data), *self._options]
        with (self.data.parent / f"{self.data.name}.log").open("ab") as errors:
            self.process = begin(
                command, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **self._environment}
            )
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"].replace("localhost", "127.0.0.1")
        self.client = httpx.Client(base_url=self.url, timeout=DEADLINE, trust_env=False)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """It gets no chance to finish anything."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As an operator would; its exit code."""
        return self._end(signal.SIGTERM)

    def control(self, verb: str, path: str, body: object = None) -> Any:
        """Do something at /control; it has to work."""
        answer = self.client.request(verb, f"/control{path}", json=body)
        assert answer.status_code == 200, f"{verb} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def log(self, after: int = 0, **wanted: Any) -> list[dict[str, Any]]:
        """The entries after a number."""
        found: list[dict[str, Any]] = []
        while True:
            given = {name: value for name, value in wanted.items() if value is not None}
            page = self.client.get("/control/log", params={"after": after, "limit": 10_000, **given}).json()
            found += page["entries"]
            after = page["next"]
            if not page["entries"] or after >= page["last"]:
                return found

    def bot(self, name: str = "", **more: Any) -> "Bot":
        """A new one."""
        name = name or f"bot_{next(_names)}"
        return Bot(self, self.control("PUT", f"/telegram/bots/{name}", more))

    def phone(self, first_name: str = "Bruno", **more: Any) -> "Phone":
        """Somebody new."""
        name = more.pop("name", "") or f"{first_name.lower()}_{next(_names)}"
        told = self.control("PUT", f"/telegram/phones/{name}", {"first_name": first_name, **more})
        return Phone(self, told)

    def _end(self, how: signal.Signals) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(DEADLINE)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.client.close()
        return code


class Bot:
    """A bot of the simulator's, as its owner has it."""

    def __init__(self, simulator: Simulator, told: dict[str, Any]) -> None:
        self.simulator = simulator
        self.id: int = told["id"]
        self.name: str = told["username"]
        self.token: str = told["token"]
        self._turn = 0

    @property
    def path(self) -> str:
        """Where its methods are."""
        return f"/bot{self.token}"

    def ask(self, method: str, **parameters: Any) -> httpx.Response:
        """Call a method with JSON."""
        return self.simulator.client.post(f"{self.path}/{method}", json=parameters)

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method that works; its result."""
        answer = self.ask(method, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def updates(self, **parameters: Any) -> list[dict[str, Any]]:
        """getUpdates."""
        found: list[dict[str, Any]] = self.call("getUpdates", **parameters)
        return found

    def pending(self, **parameters: Any) -> list[dict[str, Any]]:
        """All that waits; nothing is confirmed. Telegram slows down who asks again from one offset: two take turns."""
        self._turn = 1 - self._turn
        return self.updates(offset=self._turn, **parameters)

    def fails(self, **rule: Any) -> None:
        """Something goes wrong with it from now on: `id` and `on` are added."""
        on = {"bot": self.name, **rule.pop("on", {})}
        self.simulator.control("POST", "/faults", {"id": f"rule_{next(_names)}", "on": on, **rule})

    def log(self, *what: str) -> list[dict[str, Any]]:
        """The entries that name it."""
        return self.simulator.log(bot=self.name, what=what or None)


class Phone:
    """Somebody's."""

    def __init__(self, simulator: Simulator, told: dict[str, Any]) -> None:
        self.simulator = simulator
        self.id: int = told["id"]
        self.name: str = told["username"]
        self.path = f"/telegram/phones/{self.name}"

    def write(self, to: Bot | int, text: str, **more: Any) -> dict[str, Any]:
        """Say something; the Message."""
        body = {"text": text, **more}
        message: dict[str, Any] = self.simulator.control("POST", f"{self._chat(to)}/messages", body)
        return message

    def edit(self, to: Bot | int, message_id: int, text: str) -> dict[str, Any]:
        """Say it otherwise."""
        path = f"{self._chat(to)}/messages/{message_id}"
        message: dict[str, Any] = self.simulator.control("PATCH", path, {"text": text})
        return message

    def block(self, bot: Bot, blocked: bool = True) -> None:
        """Block or unblock."""
        self.simulator.control("PUT", f"{self.path}/chats/{bot.name}/blocked", {"blocked": blocked})

    def shows(self, of: Bot | int) -> list[dict[str, Any]]:
        """The messages on its screen."""
        messages: list[dict[str, Any]] = self.simulator.control("GET", self._chat(of))
        return messages

    def texts(self, of: Bot | int) -> list[str]:
        """Of these."""
        return [message.get("text", "") for message in self.shows(of)]

    def group(self, title: str = "Friends", **more: Any) -> int:
        """Make a group; its id."""
        made = self.simulator.control("POST", "/telegram/groups", {"title": title, "by": self.name, **more})
        chat: int = made["id"]
        return chat

    def _chat(self, other: Bot | int) -> str:
        return f"{self.path}/chats/{other if isinstance(other, int) else other.name}"


@contextlib.contextmanager
def simulating(data: Path, *options: str, **environment: str) -> Iterator[Simulator]:
    """Run one, without limits."""
    simulator = Simulator(data, *options, **environment)
    try:
        simulator.control("PUT", "/telegram/limits", dict.fromkeys(("chat_second", "group_minute", "bot_second")))
        yield simulator
    finally:
        simulator.stop()
        gc.collect()  # what was left open is blamed on who did it


def until(condition: Any, what: str = "it") -> Any:
    """Wait until the condition holds; what it gives."""
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come in time"
        time.sleep(0.01)  # between looks, until the deadline
    return found
