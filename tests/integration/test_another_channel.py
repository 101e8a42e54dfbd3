"""A channel of another package, over the whole system: nothing outside its folder knows of it.

The loft is its provider. It tells of a letter before it has answered the call that sent it.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests import pigeon
from tests.integration.conftest import running
from tests.integration.people import DEADLINE, Person, System, expected
from tests.integration.wires import eventually
from tests.refusing import refusing

from chat4all.connectors.supervisor import uid_of
from chat4all_devtools.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
RING = "golden-ring-of-a-test"
HOOK = f"/hooks/pigeon/{uid_of('local.loft')}"

FILE = """\
apiVersion: v1
kind: Secret
metadata: {{name: ring}}
stringData: {{ring: {ring}}}
---
apiVersion: chat4all.io/v1alpha1
kind: ChannelConnector
metadata: {{name: loft}}
spec:
  channel: pigeon
  credentialsSecretRef: {{name: ring}}
  config: {{baseURL: "{url}"}}
  inbox: {{members: [ana]}}
"""


class Loft:
    """A provider: takes letters, and posts what happens to `hub`."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, str]] = []
        self.home = ""
        self.hub = ""
        self._ids = itertools.count(1)
        self._http = httpx.AsyncClient(trust_env=False, timeout=DEADLINE, headers={"X-Ring": RING})
        self.url = ""

    async def close(self) -> None:
        """Let go of its lines."""
        await self._http.aclose()

    async def post(self, *events: dict[str, Any]) -> int:
        """Its status."""
        return (await self._http.post(self.hub + HOOK, json=list(events))).status_code

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(one.partition(":")[2]) for one in head.split("\r\n") if one.lower().startswith("content-le"))
        asked = json.loads(await reader.readexactly(length))
        answer = json.dumps(await self._answer(head.split(" ")[1], asked))
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n{answer}".encode())
        await writer.drain()
        writer.close()

    async def _answer(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        match path:
            case "/loft":
                return {"id": "1", "name": "the loft"}
            case "/where":
                return {"url": self.home}
            case "/home":
                self.home = asked["url"]
                return {}
        letter = str(next(self._ids))
        self.letters.append((asked["to"], asked["text"]))
        place = {"from": asked["to"], "letter": letter, "at": 1_800_000_000_000}
        told = [{"kind": kind, "id": f"{kind} {letter}", **place} for kind in ("delivered", "read")]
        assert await self.post(*told) == 200, "before the call is answered"
        return {"id": letter}


@pytest.fixture(scope="module", autouse=True)
def package() -> Iterator[None]:
    with pigeon.installed():
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loft() -> AsyncIterator[Loft]:
    made = Loft()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    await server.wait_closed()
    await made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory, loft: Loft, package: None) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("system")
    (folder / "loft.yaml").write_text(FILE.format(ring=RING, url=loft.url))
    port = free_port()
    given = {"folder": folder, "public_url": f"http://127.0.0.1:{port}"}
    async with running(folder / "data", channels=given, server={"port": port}) as made:
        loft.hub = made.url
        yield made


async def conversation(system: System, loft: Loft, sender: str) -> tuple[Person, str]:
    """What becomes of a first letter."""
    ana = await system.login("ana")
    letter = {"kind": "letter", "id": f"letter of {sender}", "from": sender, "name": sender.title(), "at": 1}
    async with asyncio.timeout(DEADLINE):
        while not loft.home:
            await asyncio.sleep(0.01)
    async with refusing(system.log._database):
        assert await loft.post({**letter, "text": "hello"}) == 503, "it is not in the log, and is to be told again"
    for _ in range(50):
        assert await loft.post({**letter, "text": "hello"}) == 200
    async with asyncio.timeout(DEADLINE):
        while True:
            listed = [one for one in await ana.get("/v1/conversations") if sender.title() in one["names"].values()]
            if listed and listed[0]["preview"]:
                break
            await asyncio.sleep(0.01)
    (chat,) = listed
    assert [one["content"] for one in await ana.heard(chat["conversation_id"], 1)] == ["hello"], "told fifty times"
    return ana, str(chat["conversation_id"])


async def test_it_is_there_with_all_that_it_can_do(system: System) -> None:
    ana = await system.login("ana")
    found = {one["name"]: one for one in await ana.get("/v1/channels")}
    assert found["pigeon"].items() >= {"title": "Pigeon", "max_text": 20, "receipts": ["delivered", "read"]}.items()
    assert "telegram" in found


async def test_receipts_that_overtake_the_answer_are_not_lost(system: System, loft: Loft) -> None:
    ana, chat = await conversation(system, loft, "tower")
    message = await ana.post(chat, "a letter that is longer than one pigeon carries", channels=["pigeon"])
    found = await ana.becomes(message, status="read")
    assert [text for to, text in loft.letters if to == "tower"] == [
        "a letter that is",
        "longer than one",
        "pigeon carries",
    ]
    (recipient,) = found["recipients"]
    assert [(one["channel"], one["status"]) for one in recipient["channels"]] == [("pigeon", "read")]

    async def whats() -> list[str]:
        return sorted(one["what"] for one in await ana.get(f"/v1/messages/{message}/timeline"))

    async def is_told() -> bool:
        return len(await whats()) >= 10

    await eventually(is_told, "ten entries are in the timeline")
    assert await whats() == ["accepted", *["delivered"] * 3, *["read"] * 3, *["sent"] * 3]


async def test_what_it_cannot_do_is_said(system: System, loft: Loft) -> None:
    ana, chat = await conversation(system, loft, "castle")
    message = await ana.post(chat, "hi")
    await ana.becomes(message, status="read")
    await ana.edit(message, "ho")
    async with asyncio.timeout(DEADLINE):
        while True:
            events = await ana.get(f"/v1/messages/{message}/timeline")
            if any(one["what"] == "edited" for one in events):
                break
            await asyncio.sleep(0.01)
    assert [text for to, text in loft.letters if to == "castle"] == ["hi"]


async def test_what_is_not_its_own_is_refused(system: System, loft: Loft) -> None:
    stranger = system.stranger()
    for headers, body, status in (({}, "[]", 401), ({"X-Ring": "brass"}, "[]", 401), ({"X-Ring": RING}, "{}", 400)):
        assert (await stranger.call("POST", HOOK, headers=headers, content=body)).status_code == status
    text = expected(await stranger.call("GET", "/metrics"), 200).text
    assert 'chat4all_refused_posts_total{cause="NotGenuine",connector="local.loft"} 2.0' in text
    assert RING not in text
