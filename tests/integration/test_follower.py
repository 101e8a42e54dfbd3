"""A connector whose row somebody else keeps: it waits for what is missing, and takes what changes while it runs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.people import DEADLINE, System, expected

from chat4all.model.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")
wait = asyncio.to_thread
SECRET = "secret_of_this_test"


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(DEADLINE):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


async def put(system: System, uid: str, **spec: Any) -> None:
    """Register the connector team.support with this uid by the internal API, as an operator does."""
    usual = {"channel": "telegram", "credentialsSecretRef": {"name": "keys"}, "inbox": {"members": ["ana"]}}
    resource = {
        "apiVersion": "chat4all.io/v1alpha1",
        "kind": "ChannelConnector",
        "metadata": {"name": "support", "namespace": "team"},
        "spec": {**usual, **spec},
    }
    token = (system.settings.embedded.data / "internal-token").read_text().strip()
    transport = httpx.ASGITransport(system.internal, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://internal") as client:
        headers = {"Authorization": f"Bearer {token}"}
        body = {"managedBy": "operator", "resource": resource}
        expected(await client.put(f"/internal/v1/connectors/{uid}", json=body, headers=headers), 200)


async def readiness(system: System) -> str:
    async with httpx.AsyncClient(base_url=system.url, timeout=DEADLINE) as client:
        answer = await client.get("/readyz")
        found: str = answer.json()["connector"]
        assert answer.status_code == (200 if found == "ok" else 503)
        return found


def mounted(folder: Path, version: str, **keys: str) -> None:
    """Keys as Kubernetes mounts a Secret: all of a version in one folder, which a link is turned to at once."""
    folder.mkdir(exist_ok=True)
    (folder / f"..{version}").mkdir()
    for key, value in keys.items():
        (folder / f"..{version}" / key).write_text(value)
        if not (folder / key).is_symlink():
            (folder / key).symlink_to(f"..data/{key}")
    fresh = folder / "..data_tmp"
    fresh.symlink_to(f"..{version}")
    fresh.replace(folder / "..data")


async def test_it_waits_for_its_row_and_its_keys_then_takes_every_change(start, simulator, bot, tmp_path):
    uid, keys = new_id(), tmp_path / "keys"
    given = {"uid": uid, "credentials_dir": keys, "folder": tmp_path / "none", "attempt_seconds": 3.0}
    system = await start(channels=given)

    async def says(what: str) -> bool:
        return what in await readiness(system)

    await until(lambda: says(f"There is no connector {uid}"))
    await put(system, uid, config={"baseURL": simulator.url})
    await until(lambda: says("cannot read"))
    mounted(keys, "one", webhookSecret=SECRET)
    await until(lambda: says("has no key botToken"))
    admin = await system.login("admin")

    async def row() -> dict[str, Any]:
        rows = expected(await admin.call("GET", "/v1/connectors"), 200).json()
        found: dict[str, Any] = next(one for one in rows if one["id"] == "team.support")
        return found

    assert "has no key botToken" in (await row())["problem"]
    mounted(keys, "two", botToken=f"{bot.token}\n", webhookSecret=SECRET)
    await until(lambda: says("ok"))

    clara = await wait(simulator.phone, "Clara")
    await wait(clara.write, bot, "/start")
    ana = await system.login("ana")

    async def heard(text: str) -> dict[str, Any] | None:
        chats = expected(await ana.call("GET", "/v1/conversations"), 200).json()
        return next((one for one in chats if (one["preview"] or {}).get("content") == text), None)

    async def hears(text: str) -> dict[str, Any]:
        await wait(clara.write, bot, text)
        found: dict[str, Any] = await until(lambda: heard(text))
        return found

    chat = await hears("hello")

    await put(system, uid, config={"baseURL": simulator.url}, state="Paused")

    async def runs() -> bool:
        return "team.support" in system.connectors.running.status()

    async def stands() -> bool:
        return not await runs()

    await until(stands)
    assert await readiness(system) == "ok"
    await wait(clara.write, bot, "while you were away")
    body = {"chat_id": chat["conversation_id"], "content": "meanwhile"}
    expected(await ana.call("POST", "/v1/messages", json=body), 202)
    assert "meanwhile" not in await wait(clara.texts, bot)

    await put(system, uid, config={"baseURL": simulator.url}, senderLabel="Always", rateLimit={"perSecond": 5})
    await until(lambda: heard("while you were away"))

    async def shown() -> bool:
        return any("meanwhile" in one for one in await wait(clara.texts, bot))

    await until(shown)

    mounted(keys, "three", botToken="1:of-nobody", webhookSecret=SECRET)

    async def refused() -> bool:
        return "Unauthorized" in ((await row())["problem"] or "")

    await until(refused)
    mounted(keys, "four", botToken=bot.token, webhookSecret=SECRET)
    await hears("and back")
