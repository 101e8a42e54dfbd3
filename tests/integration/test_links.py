"""Who is whom on Telegram, over the whole system: claims, proofs, refusals; states of messages, and retries."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio
from tests.integration.conftest import running
from tests.integration.hooked import connectors
from tests.integration.people import DEADLINE, Person, System, expected, refused
from tests.integration.simulator.world import Bot, Phone, Simulator

from chat4all_devtools.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
wait = asyncio.to_thread
LINKS = "/v1/users/channels"


class Hooked(NamedTuple):
    """A system with a connector of this bot."""

    system: System
    bot: Bot
    simulator: Simulator

    async def admin(self) -> Person:
        return await self.system.login("admin")

    async def phone(self, name: str = "Clara") -> Phone:
        """Somebody whom the bot may write to."""
        made = await wait(self.simulator.phone, name)
        await wait(made.write, self.bot, "/start")
        return made

    async def linked(self, phone: Phone) -> Person:
        """A user who is that person."""
        user = await self.system.register()
        body = {"channel_type": "telegram", "identifier": str(phone.id), "username": user.username}
        link = expected(await (await self.admin()).call("POST", LINKS, json=body), 200).json()
        assert link["status"] == "linked"
        return user


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hooked(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> AsyncIterator[Hooked]:
    bot = await wait(simulator.bot, "support_bot")
    folder = tmp_path_factory.mktemp("hooked")
    port = free_port()
    given = {**connectors(folder, bot), "public_url": f"http://127.0.0.1:{port}"}
    async with running(folder / "data", channels=given, server={"port": port}) as system:
        one = Hooked(system, bot, simulator)
        admin = await one.admin()

        async def registered() -> bool:
            (connector,) = await admin.get("/v1/connectors")
            return bool(connector["registered"])

        await until(registered)
        yield one


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(DEADLINE):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found


# -- links


async def test_a_claim_is_pending_until_the_person_shows_its_code(hooked: Hooked) -> None:
    user, phone = await hooked.system.register(), await hooked.phone()
    body = {"channel_type": "telegram", "identifier": str(phone.id)}
    link = expected(await user.call("POST", LINKS, json=body), 200).json()
    assert (link["status"], link["channel"], link["connector"]) == ("pending", "telegram", "local.support")
    assert link["how"] == f"Write /start {link['code']} to @support_bot on Telegram."
    assert link["invite"] == f"https://t.me/support_bot?start={link['code']}"
    assert expected(await user.call("POST", LINKS, json=body), 200).json() == link, "the same again is the same"
    await wait(phone.write, hooked.bot, f"/start {link['code']}")

    async def linked() -> Any:
        return [one for one in await user.get(LINKS) if one["status"] == "linked"]

    (found,) = await until(linked)
    assert (found["id"], found["code"], found["how"]) == (link["id"], None, None)
    assert expected(await user.call("POST", LINKS, json=body), 200).json() == found


async def test_a_claim_without_a_name_is_of_whoever_shows_the_code(hooked: Hooked) -> None:
    user, phone = await hooked.system.register(), await hooked.phone()
    link = expected(await user.call("POST", LINKS, json={"channel_type": "telegram"}), 200).json()
    await wait(phone.write, hooked.bot, f"/start {link['code']}")

    async def linked() -> Any:
        return [one for one in await user.get(LINKS) if one["status"] == "linked"]

    (found,) = await until(linked)
    assert found["identifier"] == str(phone.id)


async def test_a_claim_that_is_never_proven_is_not_used(hooked: Hooked) -> None:
    user, phone = await hooked.system.register(), await hooked.phone()
    ana = await hooked.system.login("ana")
    expected(await user.call("POST", LINKS, json={"channel_type": "telegram", "identifier": str(phone.id)}), 200)
    chat = await ana.conversation(user.username)
    first = await ana.said(chat, "not for the phone", channels=["all", "telegram"])
    found = await ana.becomes(first["message_id"], recipients=await no_link(ana, first["message_id"]))
    assert found["recipients"][0]["channels"][0]["reason"] == "NoLink"
    assert "not for the phone" not in await wait(phone.texts, hooked.bot)


async def no_link(ana: Person, message: str) -> Any:
    async def planned() -> Any:
        found = (await ana.settled(message))["recipients"]
        return found if found[0]["channels"] else None

    return await until(planned)


Refused = tuple[str, dict[str, str], int, str, str | None]
REFUSED: list[Refused] = [
    ("no such channel", {"channel_type": "pigeon", "identifier": "7"}, 422, "invalid", "channel_type"),
    ("no number", {"channel_type": "telegram", "identifier": "@bruno"}, 422, "invalid", "identifier"),
    ("nought", {"channel_type": "telegram", "identifier": "0"}, 422, "invalid", "identifier"),
    ("of another script", {"channel_type": "telegram", "identifier": "٤٢"}, 422, "invalid", "identifier"),
    ("a group", {"channel_type": "telegram", "identifier": "-100"}, 422, "invalid", "identifier"),
    ("no such connector", {"channel_type": "telegram", "connector": "local.other"}, 422, "invalid", "connector"),
    ("somebody else", {"channel_type": "telegram", "username": "bruno"}, 403, "forbidden", None),
    ("no channel", {"identifier": "7"}, 422, "invalid", "channel_type"),
    ("too long", {"channel_type": "telegram", "identifier": "7" * 129}, 422, "invalid", "identifier"),
]


@pytest.mark.parametrize("case", REFUSED, ids=[one[0] for one in REFUSED])
async def test_what_is_no_link_is_refused(
    hooked: Hooked, case: tuple[str, dict[str, str], int, str, str | None]
) -> None:
    _, body, status, code, field = case
    user = await hooked.system.register()
    refused(await user.call("POST", LINKS, json=body), status, code, field)
    assert await user.get(LINKS) == []


async def test_a_person_who_is_somebody_is_nobody_else(hooked: Hooked) -> None:
    phone = await hooked.phone()
    await hooked.linked(phone)
    other = await hooked.system.register()
    body = {"channel_type": "telegram", "identifier": str(phone.id)}
    refused(await other.call("POST", LINKS, json=body), 409, "conflict", "identifier")
    admin = await hooked.admin()
    refused(await admin.call("POST", LINKS, json={**body, "username": other.username}), 409, "conflict", "identifier")


async def test_an_admin_links_somebody_who_is_there(hooked: Hooked) -> None:
    admin = await hooked.admin()
    body = {"channel_type": "telegram", "identifier": "77", "username": "nobody"}
    refused(await admin.call("POST", LINKS, json=body), 422, "invalid", "username")
    refused(await admin.call("POST", LINKS, json={**body, "identifier": ""}), 422, "invalid", "identifier")


async def test_links_are_seen_and_removed_by_their_user_and_by_admins(hooked: Hooked) -> None:
    user, stranger, admin = (
        await hooked.linked(await hooked.phone()),
        await hooked.system.register(),
        await hooked.admin(),
    )
    (link,) = await user.get(LINKS)
    assert await admin.get(LINKS, username=user.username) == [link]
    refused(await stranger.call("GET", LINKS, params={"username": user.username}), 403, "forbidden")
    refused(await stranger.call("DELETE", f"{LINKS}/{link['id']}"), 404, "not-found")
    assert expected(await user.call("DELETE", f"{LINKS}/{link['id']}"), 200).json() == {"status": "removed"}
    refused(await user.call("DELETE", f"{LINKS}/{link['id']}"), 404, "not-found")
    assert await user.get(LINKS) == []


# -- states and retries


async def test_what_is_sent_says_so_and_what_fails_says_why_and_can_be_sent_again(hooked: Hooked) -> None:
    phone, ana = await hooked.phone(), await hooked.system.login("ana")
    user = await hooked.linked(phone)
    chat = await ana.conversation(user.username)

    async def on_telegram(message: str, status: str) -> Any:
        async def told() -> Any:
            (recipient,) = (await ana.settled(message))["recipients"]
            return next((one for one in recipient["channels"] if one["status"] == status), None)

        return await until(told)

    sent = await on_telegram(await ana.post(chat, "first"), "sent")
    assert (sent["channel"], sent["connector"], sent["reason"]) == ("telegram", "local.support", None)
    await wait(phone.block, hooked.bot)
    message = await ana.post(chat, "second")
    failed = await on_telegram(message, "failed")
    assert (failed["reason"], failed["sentence"], failed["retry"]) == ("Blocked", "This person has blocked us.", True)
    (link,) = await user.get(LINKS)
    assert (link["status"], link["reason"]) == ("unreachable", "Blocked")
    refused(await user.call("POST", f"/v1/messages/{message}/retry"), 403, "forbidden")
    await wait(phone.block, hooked.bot, blocked=False)
    answer = expected(await ana.call("POST", f"/v1/messages/{message}/retry", key="retry-it"), 200)
    assert answer.json() == {"status": "accepted", "message_id": message, "retried": 1}
    again = await ana.call("POST", f"/v1/messages/{message}/retry", key="retry-it")
    assert again.headers["Idempotent-Replay"] == "true"
    await on_telegram(message, "sent")
    assert (await wait(phone.texts, hooked.bot)).count("second") == 1
    refused(await ana.call("POST", f"/v1/messages/{message}/retry"), 409, "conflict")
    whats = [(one["what"], one["detail"]) for one in await ana.get(f"/v1/messages/{message}/timeline")]
    assert ("failed", "local.support, Blocked") in whats
    assert ("sent", "local.support, retry 1") in whats


async def test_a_contacts_message_is_accepted_until_it_is_sent(hooked: Hooked) -> None:
    phone, ana = await hooked.phone("Davi"), await hooked.system.login("ana")
    await wait(phone.write, hooked.bot, "is this the support?")

    async def arrived() -> Any:
        listed = await ana.get("/v1/conversations")
        return [one for one in listed if (one["preview"] or {}).get("content") == "is this the support?"]

    (chat,) = await until(arrived)
    assert list(chat["names"].values()) == ["Davi"]
    message = await ana.post(chat["conversation_id"], "it is")
    found = await ana.becomes(message, status="sent")
    assert [(one["name"], one["status"]) for one in found["recipients"]] == [("Davi", "sent")]
    assert {one["status"] for one in await ana.history(chat["conversation_id"]) if one["sender_id"] == "ana"} == {
        "sent"
    }
    await wait(phone.block, hooked.bot)
    message = await ana.post(chat["conversation_id"], "still there?")
    await ana.becomes(message, status="failed")


async def test_no_token_is_in_any_answer(hooked: Hooked) -> None:
    """Of everything that can be asked, by whoever sees most, after everything that went wrong above."""
    admin, ana = await hooked.admin(), await hooked.system.login("ana")
    chats = [one["conversation_id"] for one in await ana.get("/v1/conversations")]
    messages = [one["message_id"] for chat in chats for one in await ana.history(chat)]
    paths = [
        "/v1/connectors",
        "/status",
        "/v1/channels",
        "/v1/dead-letters",
        LINKS,
        "/metrics",
        "/readyz",
        "/openapi.json",
    ]
    paths += [f"/v1/messages/{one}{what}" for one in messages for what in ("", "/timeline")]
    told = [(await (ana if "/messages/" in path else admin).call("GET", path)).text for path in paths]
    internal = httpx.ASGITransport(hooked.system.internal)
    token = (hooked.system.settings.embedded.data / "internal-token").read_text().strip()
    async with httpx.AsyncClient(transport=internal, base_url="http://internal") as client:
        told.append((await client.get("/internal/v1/connectors", headers={"Authorization": f"Bearer {token}"})).text)
    assert "local.support" in told[0]
    assert "local.support" in told[-1]
    for secret in (hooked.bot.token, hooked.bot.token.partition(":")[2], "secret_of_this_test", token):
        assert not [path for path, text in zip([*paths, "internal"], told, strict=True) if secret in text]


async def test_connectors_tell_how_they_are(hooked: Hooked) -> None:
    ana, user = await hooked.system.login("ana"), await hooked.system.register()
    (one,) = await ana.get("/v1/connectors")
    wanted = {"id": "local.support", "account": "@support_bot", "mode": "Webhook", "registered": True, "problem": None}
    assert one.items() >= wanted.items()
    refused(await user.call("GET", "/v1/connectors"), 403, "forbidden")
    status = expected(await hooked.system.stranger().call("GET", "/status"), 200).json()
    wanted = {"account": "@support_bot", "mode": "Webhook", "registered": True, "problem": ""}
    assert {name: status["local.support"][name] for name in wanted} == wanted
    assert {"queue", "limited", "unsupported"} <= status["local.support"].keys()
    (channel,) = await user.get("/v1/channels")
    assert channel.items() >= {"name": "telegram", "max_text": 4096, "unit": "utf16", "receipts": []}.items()
