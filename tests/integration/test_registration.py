"""The internal API: how connectors come to be and go. Everything is safe to repeat."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
import sqlalchemy as sa
from tests.integration.people import DEADLINE, System, expected, refused

from chat4all.channels.kit.resource import MAX_CONFIG_BYTES, config_bytes
from chat4all.directory.channels import Link, Report
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.ids import new_id
from chat4all.model.rows import iso

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/internal/v1/connectors"


@pytest_asyncio.fixture(loop_scope="module")
async def operator(system: System) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever has the token."""
    app = system.internal
    token = token_file(system).read_text().strip()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://internal", headers=headers) as client:
        yield client


def token_file(system: System) -> Path:
    return system.settings.embedded.data / "internal-token"


def resource(name: str = "support", **spec: Any) -> dict[str, Any]:
    usual = {"channel": "telegram", "credentialsSecretRef": {"name": "keys"}, "inbox": {"members": ["ana"]}}
    return {
        "apiVersion": "chat4all.io/v1alpha1",
        "kind": "ChannelConnector",
        "metadata": {"name": name, "namespace": "team"},
        "spec": {**usual, **spec},
    }


def body(name: str = "support", by: str = "operator", **spec: Any) -> dict[str, Any]:
    return {"managedBy": by, "resource": resource(name, **spec)}


async def listing(operator: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    found: dict[str, Any] = expected(await operator.get(PATH, params=params), 200).json()
    return found


async def test_a_connector_is_put_changed_and_removed(operator: httpx.AsyncClient, system: System) -> None:
    uid = new_id()
    put = expected(await operator.put(f"{PATH}/{uid}", json=body()), 200).json()
    assert (put["uid"], put["id"], put["channel"], put["managedBy"]) == (uid, "team.support", "telegram", "operator")
    assert expected(await operator.put(f"{PATH}/{uid}", json=body()), 200).json() == put
    assert await system.engines.log.partitions("chat4all.outbound.team.support") == 6
    changed = expected(await operator.put(f"{PATH}/{uid}", json=body(state="Paused")), 200).json()
    assert changed["spec"]["state"] == "Paused"
    assert expected(await operator.get(f"{PATH}/{uid}"), 200).json() == changed
    assert changed in (await listing(operator))["connectors"]
    admin = await system.login("admin")
    assert [one["state"] for one in await admin.get("/v1/connectors") if one["uid"] == uid] == ["Paused"]
    for _ in range(2):
        gone = await operator.delete(f"{PATH}/{uid}", params={"managedBy": "operator"})
        assert expected(gone, 200).json() == {"status": "removed"}
    refused(await operator.get(f"{PATH}/{uid}"), 404, "not-found")


WRONG = [
    ("no such channel", body(channel="pigeon"), 422, "invalid", "resource.spec.channel"),
    ("a field that is not there", body(chanel="x"), 422, "invalid", "resource.spec.chanel"),
    ("a config that is not the channel's", body(config={"url": "x"}), 422, "invalid", "resource.spec.config.url"),
    ("an inbox of nobody", body(inbox={"members": ["nobody"]}), 422, "invalid", "resource.spec.inbox.members"),
    ("no inbox", body(inbox={"members": []}), 422, "invalid", "resource.spec.inbox.members"),
    ("a name with a dot", body("a.b"), 422, "invalid", "resource.metadata.name"),
    (
        "a config that is too long",
        body(config={"baseURL": "x" * (MAX_CONFIG_BYTES + 1 - len('{"baseURL":""}'))}),
        422,
        "invalid",
        "resource.spec.config",
    ),
    ("a manager with a space", body(by="a b"), 422, "invalid", "managedBy"),
    ("a manager of 129 characters", body(by="m" * 129), 422, "invalid", "managedBy"),
    ("no such wish", {**body(), "unregister": "yes"}, 422, "invalid", "unregister"),
    ("no manager", {"resource": resource()}, 422, "invalid", "managedBy"),
    ("no resource", {"managedBy": "operator"}, 422, "invalid", "resource"),
    ("no object", [], 422, "invalid", None),
]
Wrong = tuple[str, Any, int, str, str | None]


@pytest.mark.parametrize("case", WRONG, ids=[one[0] for one in WRONG])
async def test_what_is_wrong_is_named(operator: httpx.AsyncClient, case: Wrong) -> None:
    _, wrong, status, code, field = case
    before = expected(await operator.get(PATH), 200).json()
    refused(await operator.put(f"{PATH}/{new_id()}", json=wrong), status, code, field)
    assert expected(await operator.get(PATH), 200).json() == before


async def test_what_somebody_manages_nobody_else_changes(operator: httpx.AsyncClient) -> None:
    uid = new_id()
    expected(await operator.put(f"{PATH}/{uid}", json=body("managed")), 200)
    for wrong in (body("managed", by="somebody"), body("renamed")):
        refused(await operator.put(f"{PATH}/{uid}", json=wrong), 409, "conflict")
    other = await operator.put(f"{PATH}/{new_id()}", json=body("managed", by="somebody"))
    assert refused(other, 409, "conflict")["detail"] == "team.managed is managed by operator."
    by = {"managedBy": "somebody"}
    refused(await operator.delete(f"{PATH}/{uid}", params=by), 409, "conflict")
    refused(await operator.post(f"{PATH}/{uid}/disable", json=by), 409, "conflict")
    expected(await operator.delete(f"{PATH}/{uid}", params={"managedBy": "operator"}), 200)
    refused(await operator.post(f"{PATH}/{uid}/disable", json={"managedBy": "operator"}), 404, "not-found")
    refused(await operator.post(f"{PATH}/{uid}/disable", json={}), 422, "invalid", "managedBy")


async def test_a_resource_that_is_made_anew_takes_its_row_over(operator: httpx.AsyncClient, system: System) -> None:
    old, new, channels = new_id(), new_id(), system.engines.channels
    expected(await operator.put(f"{PATH}/{old}", json=body("again")), 200)
    assert await channels.claim_account(old, "42")
    await channels.report(old, report(), {})
    taken = expected(await operator.put(f"{PATH}/{new}", json=body("again")), 200).json()
    assert (taken["uid"], taken["id"], taken["account"], taken["reports"]) == (new, "team.again", "42", [])
    refused(await operator.get(f"{PATH}/{old}"), 404, "not-found")
    refused(await operator.put(f"{PATH}/{old}", json=body("again", by="somebody")), 409, "conflict")
    expected(await operator.delete(f"{PATH}/{new}", params={"managedBy": "operator"}), 200)


def report(**more: Any) -> Report:
    usual: dict[str, Any] = {"pod": "pod-1", "at": time.time_ns() // 1_000_000, "role": "receives"}
    return Report(**{**usual, "reason": "Connected", "sentence": "It works.", **more})


async def test_what_pods_report_is_listed_while_it_is_fresh(operator: httpx.AsyncClient, system: System) -> None:
    uid, manager, channels = new_id(), f"operator/{new_id()}/release", system.engines.channels
    expected(await operator.put(f"{PATH}/{uid}", json=body("reporting", by=manager)), 200)
    limited = report(
        authenticated=True,
        registered=True,
        account_name="@x",
        rate_limited_until=1_800_000_000_000,
        reason="RateLimited",
    )
    await channels.report(uid, limited, {})
    await channels.report(uid, report(pod="pod-0", at=limited.at - 91_000), {})
    (one,) = (await listing(operator, managedBy=manager))["connectors"]
    assert one == expected(await operator.get(f"{PATH}/{uid}"), 200).json()
    assert (one["state"], one["disabledAt"], one["account"]) == ("Running", None, None)
    assert one["reports"] == [
        {
            "pod": "pod-1",
            "at": iso(limited.at),
            "role": "receives",
            "authenticated": True,
            "registered": True,
            "unregistered": False,
            "accountName": "@x",
            "rateLimitedUntil": "2027-01-15T08:00:00.000Z",
            "reason": "RateLimited",
            "sentence": "It works.",
        }
    ]
    assert (await listing(operator, managedBy="nobody"))["connectors"] == []
    refused(await operator.get(PATH, params={"managedBy": ""}), 422, "invalid")


async def test_the_list_has_a_version_that_changes_when_anything_in_it_does(
    operator: httpx.AsyncClient, system: System
) -> None:
    uid, by, channels = new_id(), f"operator/{new_id()}", system.engines.channels

    async def version() -> str:
        answer = expected(await operator.get(PATH, params={"managedBy": by}), 200)
        assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'
        same = await operator.get(PATH, params={"managedBy": by}, headers={"If-None-Match": answer.headers["ETag"]})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", answer.headers["ETag"])
        return str(answer.headers["ETag"])

    async def puts(**more: Any) -> None:
        expected(await operator.put(f"{PATH}/{uid}", json={**body("versioned", by=by), **more}), 200)

    first = report()
    steps: dict[str, Callable[[], Awaitable[Any]]] = {
        "it is there": puts,
        "it is to be unregistered": lambda: puts(unregister=True),
        "it is disabled": lambda: operator.post(f"{PATH}/{uid}/disable", json={"managedBy": by}),
        "its account is known": lambda: channels.claim_account(uid, "43"),
        "a pod reports": lambda: channels.report(uid, first, {}),
        "the pod reports later": lambda: channels.report(uid, msgspec.structs.replace(first, at=first.at + 1), {}),
        "another pod reports": lambda: channels.report(uid, report(pod="pod-2"), {}),
        "it is removed": lambda: operator.delete(f"{PATH}/{uid}", params={"managedBy": by}),
    }
    seen = [await version()]
    for step in steps.values():
        await step()
        seen.append(await version())
    assert seen[-1] == seen[0]
    assert len({*seen}) == len(steps)
    stale = await operator.get(PATH, params={"managedBy": by}, headers={"If-None-Match": f'{seen[1]}, "x"'})
    assert stale.status_code == 200


async def test_states_are_left_by_putting_it_again(operator: httpx.AsyncClient) -> None:
    uid, by = new_id(), {"managedBy": "operator"}

    async def puts(**more: Any) -> tuple[Any, Any]:
        found = expected(await operator.put(f"{PATH}/{uid}", json={**body("stated"), **more}), 200).json()
        return found["state"], found["disabledAt"]

    async def disabled() -> Any:
        found = expected(await operator.post(f"{PATH}/{uid}/disable", json=by), 200).json()
        assert found["state"] == "Disabled"
        return found["disabledAt"]

    assert await puts() == ("Running", None)
    since = await disabled()
    assert abs(datetime.fromisoformat(since).timestamp() - time.time()) < DEADLINE
    assert await disabled() == since, "it stays so"
    assert await puts(unregister=True) == ("Unregistering", None)
    assert await disabled() >= since
    assert await puts() == ("Running", None)
    assert await puts(unregister=True) == ("Unregistering", None)
    assert await puts(resource=resource("stated", state="Paused")) == ("Paused", None)
    expected(await operator.delete(f"{PATH}/{uid}", params=by), 200)


async def test_the_same_again_writes_nothing(operator: httpx.AsyncClient, system: System) -> None:
    uid = new_id()
    config = {"baseURL": "http://localhost/", "mode": "Polling"}
    expected(await operator.put(f"{PATH}/{uid}", json=body("same", config=config)), 200)
    written: list[str] = []

    def look(_: object, __: object, statement: str, *more: object) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            written.append(statement)

    engine = system.sql._engine
    sa.event.listen(engine, "before_cursor_execute", look)
    turned = dict(reversed(config.items()))
    for same in (body("same", config=config), body("same", config=turned)):
        expected(await operator.put(f"{PATH}/{uid}", json=same), 200)
    unwritten = [one for one in written if "connectors" in one]
    expected(await operator.put(f"{PATH}/{uid}", json=body("same", replicas=2, config=config)), 200)
    sa.event.remove(engine, "before_cursor_execute", look)
    assert (unwritten, [one[:17] for one in written if "connectors" in one]) == ([], ["UPDATE connectors"])
    expected(await operator.delete(f"{PATH}/{uid}", params={"managedBy": "operator"}), 200)


async def test_a_config_of_exactly_the_bound_is_measured_in_bytes() -> None:
    cases: dict[str, tuple[dict[str, Any], int]] = {
        "empty": ({}, 2),
        "sorted, without spaces": (
            {"b": [1, 2], "a": {"y": None, "x": "z"}},
            len('{"a":{"x":"z","y":null},"b":[1,2]}'),
        ),
        "in UTF-8": ({"a": "é😀"}, len('{"a":""}') + 2 + 4),
    }
    assert {name: config_bytes(config) for name, (config, _) in cases.items()} == {
        name: length for name, (_, length) in cases.items()
    }


async def test_only_who_has_the_token_is_heard(operator: httpx.AsyncClient, system: System) -> None:
    admin, file = await system.login("admin"), token_file(system)
    current = file.read_text().strip()
    assert file.stat().st_mode & 0o777 == 0o600
    for header in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {admin.token}"}):
        refused(await listed(system, header), 401, "unauthenticated")
    file.write_text(f"the next one, long enough\n{current}\n")
    expected(await listed(system, {"Authorization": f"Bearer {current}"}), 200)
    expected(await listed(system, {"Authorization": "Bearer the next one, long enough"}), 200)
    file.write_text("the next one, long enough\n")
    refused(await listed(system, {"Authorization": f"Bearer {current}"}), 401, "unauthenticated")
    file.write_text("")
    refused(await listed(system, {"Authorization": "Bearer "}), 401, "unauthenticated")
    file.write_text(f"{current}\n")
    expected(await operator.get(PATH), 200)


async def listed(system: System, headers: dict[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(system.internal, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://internal", headers=headers) as client:
        return await client.get(PATH)


async def test_it_is_not_on_the_public_port(system: System) -> None:
    admin = await system.login("admin")
    assert (await admin.call("GET", PATH)).status_code == 404
    document = expected(await admin.call("GET", "/openapi.json"), 200).json()
    assert not [path for path in document["paths"] if path.startswith("/internal")]


async def test_what_a_connector_had_not_sent_is_failed_when_it_goes(
    operator: httpx.AsyncClient, system: System
) -> None:
    """No process of it runs here, so that what is for it waits."""
    uid, ana, user = new_id(), await system.login("ana"), await system.register()
    expected(await operator.put(f"{PATH}/{uid}", json=body("going")), 200)
    link = Link(
        link_id=new_id(),
        username=user.username,
        channel="telegram",
        connector="team.going",
        external_id="7",
        chat="7",
    )
    await system.engines.channels.add_link(link)
    chat = await ana.conversation(user.username)
    message = await ana.post(chat, "x" * 5000)

    async def states() -> Any:
        (recipient,) = (await ana.settled(message))["recipients"]
        return [(one["status"], one["reason"]) for one in recipient["channels"]]

    async with asyncio.timeout(DEADLINE):
        while await states() != [("accepted", None)]:
            await asyncio.sleep(0.01)
    expected(await operator.delete(f"{PATH}/{uid}", params={"managedBy": "operator"}), 200)
    async with asyncio.timeout(DEADLINE):
        while await states() != [("failed", "ConnectorDeleted")]:
            await asyncio.sleep(0.01)
    later = await ana.post(chat, "nothing is planned for it any more")
    async with asyncio.timeout(DEADLINE):
        while True:
            (recipient,) = (await ana.settled(later))["recipients"]
            if [one["reason"] for one in recipient["channels"]] == ["ConnectorDeleted"]:
                break
            await asyncio.sleep(0.01)


async def test_nothing_is_planned_for_a_connector_that_is_unregistered(
    operator: httpx.AsyncClient, system: System
) -> None:
    """What it had not sent waits until it is removed."""
    uid, ana, user = new_id(), await system.login("ana"), await system.register()
    expected(await operator.put(f"{PATH}/{uid}", json=body("leaving")), 200)
    given: dict[str, Any] = {"channel": "telegram", "connector": "team.leaving", "external_id": "8", "chat": "8"}
    await system.engines.channels.add_link(Link(link_id=new_id(), username=user.username, **given))
    chat = await ana.conversation(user.username)

    async def until(message: str, status: str, reason: str | None) -> None:
        async with asyncio.timeout(DEADLINE):
            while True:
                (recipient,) = (await ana.settled(message))["recipients"]
                if [(one["status"], one["reason"]) for one in recipient["channels"]] == [(status, reason)]:
                    break
                await asyncio.sleep(0.01)

    waiting = await ana.post(chat, "before")
    await until(waiting, "accepted", None)
    expected(await operator.put(f"{PATH}/{uid}", json={**body("leaving"), "unregister": True}), 200)
    await until(await ana.post(chat, "after"), "failed", "ConnectorDeleted")
    await until(waiting, "accepted", None)
    expected(await operator.delete(f"{PATH}/{uid}", params={"managedBy": "operator"}), 200)
    await until(waiting, "failed", "ConnectorDeleted")


async def test_a_removal_that_was_cut_off_goes_on_when_it_is_asked_again(
    operator: httpx.AsyncClient, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log goes away between the first step and the last."""
    uid = new_id()
    expected(await operator.put(f"{PATH}/{uid}", json=body("cut")), 200)

    async def gone(*_: object) -> None:
        raise EngineUnavailableError("log", "gone")

    with monkeypatch.context() as broken:
        broken.setattr("chat4all.connectors.registration.give_up", gone)
        answer = await operator.delete(f"{PATH}/{uid}", params={"managedBy": "operator"})
        refused(answer, 503, "unavailable")
    assert expected(await operator.get(f"{PATH}/{uid}"), 200).json()["spec"]["state"] == "Removing"
    expected(await operator.delete(f"{PATH}/{uid}", params={"managedBy": "operator"}), 200)
    refused(await operator.get(f"{PATH}/{uid}"), 404, "not-found")
