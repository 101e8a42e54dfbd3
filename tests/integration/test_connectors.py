"""The whole system with a connector of the simulator's Telegram: from connectors/*.yaml and from TELEGRAM_TOKEN."""

import asyncio
from typing import Any

import httpx
import pytest
from tests.integration.hooked import connectors
from tests.integration.people import DEADLINE, System
from tests.integration.simulator.world import Bot, Simulator

from chat4all.connectors.settings import ChannelsSettings
from chat4all.connectors.supervisor import declared, uid_of
from chat4all.model.errors import StartError
from chat4all_devtools.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
wait = asyncio.to_thread


async def asked(system: System, path: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=system.url, timeout=DEADLINE) as client:
        form = {"username": "ana", "password": "demo"}
        token = (await client.post("/token", data=form)).json()["access_token"]
        answer = await client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        found: list[dict[str, Any]] = answer.json()
        return found


async def until(condition):
    async with asyncio.timeout(DEADLINE):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


async def talk(system: System, simulator: Simulator, bot: Bot) -> None:
    """Somebody unknown writes, ana sees it over REST and answers, and the answer is on the phone."""
    clara = await wait(simulator.phone, "Clara")
    await wait(clara.write, bot, "/start")
    await wait(clara.write, bot, "Anybody there?")

    async def arrived():
        pages = await asked(system, "/v1/conversations")
        return [one for one in pages if (one["preview"] or {}).get("content") == "Anybody there?"]

    (chat,) = await until(arrived)
    assert chat["unread"] == 1
    async with httpx.AsyncClient(base_url=system.url, timeout=DEADLINE) as client:
        token = (await client.post("/token", data={"username": "ana", "password": "demo"})).json()["access_token"]
        body = {"chat_id": chat["conversation_id"], "content": "Yes!"}
        posted = await client.post("/v1/messages", json=body, headers={"Authorization": f"Bearer {token}"})
        assert posted.status_code == 202

    async def shown():
        return (await wait(clara.texts, bot))[-1] == "Yes!"

    await until(shown)
    message = posted.json()["message_id"]

    async def told():
        return [one for one in await asked(system, f"/v1/messages/{message}/timeline") if one["what"] == "sent"]

    (sent,) = await until(told)
    assert sent["who"].startswith("contact-")


async def test_from_a_file_by_polling(start, simulator, bot, tmp_path):
    system = await start(channels=connectors(tmp_path, bot))
    await talk(system, simulator, bot)


async def test_from_a_file_by_webhook(start, simulator, bot, tmp_path):
    port = free_port()
    given = {**connectors(tmp_path, bot), "public_url": f"http://127.0.0.1:{port}"}
    system = await start(channels=given, server={"port": port})
    await talk(system, simulator, bot)
    info = await wait(bot.call, "getWebhookInfo")
    uid = uid_of("local.support")
    assert info["url"] == f"http://127.0.0.1:{port}/hooks/telegram/{uid}"
    cases = [
        (f"/hooks/telegram/{uid}", {"X-Telegram-Bot-Api-Secret-Token": "forged"}, b'{"update_id": 1}', 401),
        (f"/hooks/telegram/{uid}", {}, b'{"update_id": 1}', 401),
        (f"/hooks/telegram/{uid}", {"X-Telegram-Bot-Api-Secret-Token": "secret_of_this_test"}, b"[1]", 400),
        (f"/hooks/telegram/{uid}", {"X-Telegram-Bot-Api-Secret-Token": "secret_of_this_test"}, b"x" * 5_000_000, 413),
        (f"/hooks/pigeon/{uid}", {"X-Telegram-Bot-Api-Secret-Token": "secret_of_this_test"}, b"{}", 404),
        ("/hooks/telegram/nobody", {"X-Telegram-Bot-Api-Secret-Token": "secret_of_this_test"}, b"{}", 404),
    ]
    async with httpx.AsyncClient(base_url=system.url, timeout=DEADLINE) as client:
        found = [
            (await client.post(path, headers=headers, content=body)).status_code for path, headers, body, _ in cases
        ]
        metrics = (await client.get("/metrics")).text
    assert found == [status for *_, status in cases]
    for sample in (
        'chat4all_refused_posts_total{cause="NotGenuine",connector="local.support"} 2.0',
        'chat4all_refused_posts_total{cause="Malformed",connector="local.support"} 1.0',
        'chat4all_attempts_total{connector="local.support",outcome="sent"} 1.0',
        'chat4all_inbound_total{connector="local.support",kind="received"} 2.0',
        'chat4all_send_seconds_count{connector="local.support"} 1.0',
    ):
        assert sample in metrics, sample


async def test_registering_again_after_an_engine_was_away_changes_nothing(start, simulator, tmp_path):
    system = await start(channels={"folder": tmp_path, "simulator": simulator.url})
    before = await asked(system, "/v1/connectors")
    await system.connectors.register()
    assert len(await asked(system, "/v1/connectors")) == len(before) == 1


async def test_a_token_in_the_environment_makes_one(monkeypatch, tmp_path):
    """It is not run here: it would talk to the real Bot API."""
    monkeypatch.setenv("TELEGRAM_TOKEN", "1:token")
    (one,) = declared(ChannelsSettings(folder=tmp_path))
    assert (one.resource.id, one.resource.spec.inbox.members) == ("local.telegram", ["ana"])
    assert str(one.config.model_dump()["base_url"]) == "https://api.telegram.org/"
    assert "1:token" not in repr(one)


async def test_an_inbox_of_nobody_is_refused_at_the_start(start, bot, tmp_path):
    with pytest.raises(StartError, match=r"local\.support names nobody: there is no user nobody"):
        await start(channels=connectors(tmp_path, bot, inbox="nobody"))


async def test_a_webhook_without_an_address_is_refused_at_the_start(start, bot, tmp_path):
    given = connectors(tmp_path, bot)
    path = tmp_path / "connectors" / "support.yaml"
    path.write_text(path.read_text().replace("config: {", "config: {mode: Webhook, "))
    with pytest.raises(StartError, match="CHAT4ALL_CHANNELS__PUBLIC_URL"):
        await start(channels=given)


async def test_a_file_that_is_wrong_is_refused_at_the_start(start, bot, tmp_path):
    given = connectors(tmp_path, bot)
    path = tmp_path / "connectors" / "support.yaml"
    path.write_text(path.read_text().replace("channel: telegram", "channel: pigeon"))
    with pytest.raises(StartError, match=r"support\.yaml, line 10: there is no channel pigeon"):
        await start(channels=given)
