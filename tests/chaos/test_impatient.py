"""Clients that give up after milliseconds, at any moment of a request, and perhaps ask again.

With a key what they said is said once, however often they ask; without one at most once per try. Whoever leaves is no
fault of the server's: nothing of it is an error in its log.
"""

import asyncio
import json
import random
import time
from collections import Counter
from typing import Any

from tests.chaos.hub import Hub
from tests.chaos.length import SEED, length_of

from chat4all.client import Client

LENGTH = length_of("impatient")
LONGEST = 0.03  # seconds until one gives up, where an answer takes less
FAULTS = ("Traceback", "ERROR", "CRITICAL", "Exception")


class Impatient:
    """Sends a request, or a part of it, and is gone. `token`: ana's; `longest`: seconds for which they wait at most."""

    def __init__(self, hub: Hub, token: str, chance: random.Random, longest: float) -> None:
        self.hub = hub
        self.token = token
        self.chance = chance
        self.longest = longest
        self.tries: Counter[str] = Counter()  # whole requests by content: one cut short asks for nothing
        self.answers = 0

    async def ask(self, method: str, path: str, body: dict[str, Any], key: str) -> None:
        """Ask and leave after some milliseconds; one of four leaves within the request."""
        payload = json.dumps(body).encode()
        named = f"Idempotency-Key: {key}\r\n" if key else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.hub.url[7:]}\r\nAuthorization: Bearer {self.token}\r\n{named}"
            f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
        )
        whole = head.encode() + payload
        cut = self.chance.random() < 0.25
        reader, writer = await asyncio.open_connection("127.0.0.1", self.hub.port)
        writer.write(whole[: self.chance.randrange(1, len(whole))] if cut else whole)
        self.tries[body["content"]] += not cut
        try:
            async with asyncio.timeout(self.chance.random() * self.longest):
                self.answers += b"202" in await reader.readline()
        except TimeoutError:
            pass
        finally:
            writer.transport.abort()


async def test_who_gives_up_and_asks_again_has_said_it_once(tmp_path, report):
    chance, hub = random.Random(SEED), Hub(tmp_path)
    async with hub.ended(), Client(hub.url, "ana", "demo") as ana:
        await hub.live([])
        chat = await ana.conversation_with("bruno")
        first = await ana.post(chat, "to be edited")
        began = time.monotonic()
        await ana.post(chat, "how long an answer takes here")
        longest = max(LONGEST, 2 * (time.monotonic() - began))
        impatient = Impatient(hub, await ana.token(), chance, longest)
        keyed = [f"keyed {number}" for number in range(LENGTH.work)]
        unkeyed = [f"unkeyed {number}" for number in range(LENGTH.work)]
        edits = [f"edited {number}" for number in range(LENGTH.work // 2)]

        async def say(text: str, key: str) -> None:
            for _ in range(chance.randint(1, 3)):
                await impatient.ask("POST", "/v1/messages", {"chat_id": chat, "content": text}, key)

        await hub.call(ana, "GET", f"/v1/messages/{first}")
        for texts in zip(keyed, unkeyed, [*edits, *edits], strict=True):
            await asyncio.gather(
                say(texts[0], texts[0].replace(" ", "-")),
                say(texts[1], ""),
                impatient.ask("PATCH", f"/v1/messages/{first}", {"content": texts[2]}, texts[2].replace(" ", "-")),
            )
        ids = {text: await ana.post(chat, text, key=text.replace(" ", "-")) for text in keyed}
        last = await ana.post(chat, "the last")
        await hub.call(ana, "GET", f"/v1/messages/{last}")
        rows = await hub.history(ana, chat, "all")
        assert await asyncio.to_thread(hub.stop) == 0
    said = Counter(row["content"] for row in rows if row["type"] == "message")
    edited = sum(row["type"] == "edit" for row in rows)
    tries = sum(impatient.tries.values())
    report(f"seed {SEED}: {tries} whole requests given up, {impatient.answers} answered before; {edited} edits")
    assert 0 < impatient.answers < tries, "none of them gave up, or all: nothing was proved"
    assert {text: said[text] for text in keyed} == dict.fromkeys(keyed, 1)
    assert {row["content"]: row["message_id"] for row in rows if row.get("content") in ids} == ids
    assert all(said[text] <= impatient.tries[text] for text in unkeyed)
    assert edited <= len(edits)
    log = (tmp_path / "server.log").read_text()
    assert [line for line in log.splitlines() if any(word in line for word in FAULTS)] == []
