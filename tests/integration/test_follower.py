"""A connector whose row somebody else keeps: it waits for what is missing, and takes what changes while it runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio
from tests.integration.people import DEADLINE, System, expected

from chat4all.model.ids import new_id
from chat4all_devtools.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
wait = asyncio.to_thread
SECRET = "secret_of_this_test"


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(DEADLINE):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


async def internal(system: System, method: str, path: str, body: Any = None) -> Any:
    """Ask the internal API, as an operator does."""
    token = (system.settings.embedded.data / "internal-token").read_text().strip()
    transport = httpx.ASGITransport(system.internal, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://internal") as client:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await client.request(method, f"/internal/v1/connectors/{path}", json=body, headers=headers)
        return expected(answer, 200).json()


async def put(system: System, uid: str, *, unregister: bool = False, name: str = "support", **spec: Any) -> None:
    """Register the connector team.support with this uid."""
    usual = {"channel": "telegram", "credentialsSecretRef": {"name": "keys"}, "inbox": {"members": ["ana"]}}
    resource = {
        "apiVersion": "chat4all.io/v1alpha1",
        "kind": "ChannelConnector",
        "metadata": {"name": name, "namespace": "team"},
        "spec": {**usual, **spec},
    }
    await internal(system, "PUT", uid, {"managedBy": "operator", "resource": resource, "unregister": unregister})


async def reports(system: System, uid: str, **wanted: Any) -> dict[str, Any]:
    """The report of the one pod, once it has all of this."""

    async def found() -> dict[str, Any] | None:
        told = (await internal(system, "GET", uid))["reports"]
        return next((one for one in told if all(one[name] == value for name, value in wanted.items())), None)

    report: dict[str, Any] = await until(found)
    return report


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


class Following(NamedTuple):
    """A system that follows a row, which is there with its credentials."""

    system: System
    uid: str
    keys: Path
    config: dict[str, str]

    async def put(self, **more: Any) -> None:
        await put(self.system, self.uid, **{"config": self.config, **more})

    async def reports(self, **wanted: Any) -> dict[str, Any]:
        return await reports(self.system, self.uid, **wanted)

    def mount(self, version: str, **keys: str) -> None:
        """Mount another Secret in place of the one before."""
        for key in self.keys.glob("[!.]*"):
            key.unlink()
        mounted(self.keys, version, **keys)

    def connector(self) -> Any:
        """What runs, to see whether it is the same later."""
        return self.system.connectors.running._running.get(("telegram", self.uid))


@pytest_asyncio.fixture(loop_scope="module")
async def follow(start, simulator, bot, tmp_path) -> AsyncIterator[Callable[..., Awaitable[Following]]]:
    async def begin(token: str = "", **channels: Any) -> Following:
        uid, keys = new_id(), tmp_path / new_id()
        given = {
            "uid": uid,
            "credentials_dir": keys,
            "folder": tmp_path / "none",
            "attempt_seconds": 3.0,
            "pod": "pod-1",
        }
        port = free_port()
        if channels.pop("webhook", False):
            given["public_url"] = f"http://127.0.0.1:{port}"
        system = await start(channels={**given, **channels}, server={"port": port})
        mounted(keys, "one", botToken=token or bot.token, webhookSecret=SECRET)
        return Following(system, uid, keys, {"baseURL": simulator.url})

    yield begin


async def test_what_does_not_concern_it_does_not_disturb_it(follow):
    """The share of a limit follows the row, and whoever sends goes on sending."""
    following = await follow()
    await following.put()
    await following.reports(reason="Connected", registered=True, role="receives", authenticated=True, pod="pod-1")
    before, follower = following.connector(), following.system.connectors
    for replicas, share in ((3, 3), (50, 6), (0, 1)):
        await following.put(replicas=replicas, autoscaling={"maxReplicas": 9}, deletionPolicy="Retain")

        async def shared(share: int = share) -> bool:
            return [follower._share, before._courier._share()] == [share, share]

        await until(shared)
    assert following.connector() is before


CHANGES: list[dict[str, Any]] = [
    {"inbox": {"members": ["bruno"]}},
    {"rateLimit": {"perSecond": 3}},
    {"senderLabel": "Never"},
    {"onUncertain": "Hold"},
    {"config": {"parseMode": "HTML"}},
]


async def test_every_change_that_concerns_it_is_taken_up(follow):
    following = await follow()
    await following.put()
    await following.reports(reason="Connected")
    for change in CHANGES:
        before = following.connector()
        config = {**following.config, **change.get("config", {})}
        await following.put(**{**change, "config": config})

        async def another(before: Any = before) -> bool:
            return following.connector() not in {None, before}

        await until(another)
    await following.reports(reason="Connected")


async def test_states_are_told_and_left(follow):
    following = await follow()
    await following.put(state="Paused")
    paused = await following.reports(reason="Paused")
    assert (paused["role"], paused["authenticated"], paused["registered"]) == ("sends", None, None)
    assert "paused" in paused["sentence"]
    await following.put()
    await following.reports(reason="Connected", registered=True)
    await internal(following.system, "POST", f"{following.uid}/disable", {"managedBy": "operator"})
    await following.reports(reason="Disabled")
    assert following.connector() is None
    assert await readiness(following.system) == "ok"
    await following.put()
    connected = await following.reports(reason="Connected", registered=True)
    assert connected["accountName"].startswith("@")


WAITS = {
    "no such key": ({"webhookSecret": SECRET}, "SecretMissing", "has no key botToken"),
    "a token that is none": ({"botToken": "none"}, "SecretInvalid", "botToken"),
    "a token of nobody": ({"botToken": "1:of-nobody"}, "TokenRefused", "Unauthorized"),
}


async def test_what_is_missing_is_told_until_it_is_mended(follow, bot):
    following = await follow()
    await following.put()
    await following.reports(reason="Connected")
    for number, (keys, reason, words) in enumerate(WAITS.values()):
        following.mount(f"wrong{number}", **keys)
        report = await following.reports(reason=reason)
        assert words in report["sentence"]
        assert not [secret for secret in keys.values() if secret in report["sentence"]]
        assert report["authenticated"] is (False if reason == "TokenRefused" else None)
    following.mount("right", botToken=bot.token)
    await following.reports(reason="Connected", authenticated=True)
    await following.put(config={**following.config, "mode": "Webhook"})
    assert "CHAT4ALL_CHANNELS__PUBLIC_URL" in (await following.reports(reason="NoPublicURL"))["sentence"]
    await following.put(config={**following.config, "baseURL": f"http://127.0.0.1:{free_port()}"})
    await following.reports(reason="ProviderUnreachable", authenticated=None)


async def test_another_connector_of_the_bot_is_told_so_and_takes_nothing_away(follow, bot):
    following = await follow(webhook=True)
    channels, system = following.system.engines.channels, following.system
    first = new_id()
    await put(system, first, name="first")
    assert await channels.claim_account(first, str(bot.id))
    theirs = f"http://127.0.0.1:{free_port()}/hooks/of/the-first"
    await wait(lambda: bot.call("setWebhook", url=theirs))
    await following.put()
    report = await following.reports(reason="DuplicateAccount", authenticated=True, registered=None)
    assert report["sentence"] == f"Another connector has the account @{bot.name}."
    await following.put(unregister=True)
    await following.reports(reason="Unregistered", unregistered=True)
    assert (await wait(bot.call, "getWebhookInfo"))["url"] == theirs


async def test_its_webhook_is_taken_away_as_soon_as_the_provider_is_there(follow, bot, simulator):
    following = await follow(webhook=True)
    await following.put()
    await following.reports(reason="Connected", registered=True, role="receives")
    ours = (await wait(bot.call, "getWebhookInfo"))["url"]
    assert ours.endswith(f"/hooks/telegram/{following.uid}")
    await wait(lambda: bot.fails(on={"method": "deleteWebhook"}, do={"fault": "server_error"}, times=2))
    await following.put(unregister=True)
    failed = await following.reports(reason="UnregisterFailed", unregistered=False)
    assert failed["sentence"].startswith("team.support could not be unregistered: ")
    await following.reports(reason="Unregistered", unregistered=True, registered=False)
    assert (await wait(bot.call, "getWebhookInfo"))["url"] == ""
    assert following.connector() is None
    await following.put()
    await following.reports(reason="Connected", registered=True, unregistered=False)
    assert (await wait(bot.call, "getWebhookInfo"))["url"] == ours


async def test_who_polls_has_nothing_to_take_away_and_needs_no_keys(follow):
    following = await follow()
    await following.put()
    await following.reports(reason="Connected", registered=True)
    following.mount("gone")
    await following.reports(reason="SecretMissing")
    await following.put(unregister=True)
    await following.reports(reason="Unregistered", unregistered=True)


async def test_without_its_keys_a_webhook_stays_and_that_is_told(follow):
    following = await follow(webhook=True)
    await following.put()
    await following.reports(reason="Connected", registered=True)
    following.mount("gone")
    await following.put(unregister=True)
    report = await following.reports(reason="SecretMissing", unregistered=False)
    assert "botToken" in report["sentence"]


async def test_a_provider_that_makes_it_wait_is_told(follow, bot, simulator):
    """Of two chats one alone may be made to wait, which is not the connector's matter; both are."""
    following = await follow()
    await following.put()
    await following.reports(reason="Connected", registered=True)
    ana, phones = await following.system.login("ana"), [await wait(simulator.phone, name) for name in ("One", "Two")]

    async def heard(text: str) -> Any:
        chats = expected(await ana.call("GET", "/v1/conversations"), 200).json()
        return next((one for one in chats if (one["preview"] or {}).get("content") == text), None)

    for phone in phones:
        await wait(phone.write, bot, "/start")
        await wait(phone.write, bot, f"from {phone.id}")
    chats = [await until(partial(heard, f"from {phone.id}")) for phone in phones]
    throttled = {"on": {"method": "sendMessage"}, "do": {"fault": "too_many_requests", "retry_after": 2}}
    await wait(lambda: bot.fails(**throttled, times=6))
    for chat in chats:
        await ana.post(chat["conversation_id"], "throttled")
    limited = await following.reports(reason="RateLimited")
    assert limited["rateLimitedUntil"] is not None
    assert limited["registered"] is True
    assert limited["authenticated"] is True
    await following.reports(reason="Connected", rateLimitedUntil=None)
    for phone in phones:
        assert (await wait(phone.texts, bot))[-1] == "throttled"


async def test_a_fault_is_told_and_it_is_started_again(follow, monkeypatch):
    following = await follow()

    async def ends(_: object) -> None:
        raise RuntimeError("a fault of the program")

    with monkeypatch.context() as broken:
        broken.setattr("chat4all.connectors.connector.Connector._send", ends)
        await following.put()
        report = await following.reports(reason="Fault")
        assert "fault" in report["sentence"]
    await following.reports(reason="Connected", registered=True)
