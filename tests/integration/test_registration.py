"""The internal API: how connectors come to be and go. Everything is safe to repeat."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.integration.people import DEADLINE, System, expected, refused

from chat4all.directory.channels import Link
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.ids import new_id

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


async def test_a_connector_is_put_changed_and_removed(operator: httpx.AsyncClient, system: System) -> None:
    uid = new_id()
    put = expected(await operator.put(f"{PATH}/{uid}", json=body()), 200).json()
    assert (put["uid"], put["id"], put["channel"], put["managedBy"]) == (uid, "team.support", "telegram", "operator")
    assert expected(await operator.put(f"{PATH}/{uid}", json=body()), 200).json() == put
    assert await system.engines.log.partitions("chat4all.outbound.team.support") == 6
    changed = expected(await operator.put(f"{PATH}/{uid}", json=body(state="Paused")), 200).json()
    assert changed["spec"]["state"] == "Paused"
    assert expected(await operator.get(f"{PATH}/{uid}"), 200).json() == changed
    assert changed in expected(await operator.get(PATH), 200).json()
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
    refused(await operator.put(f"{PATH}/{new_id()}", json=body("managed")), 409, "conflict")
    refused(await operator.delete(f"{PATH}/{uid}", params={"managedBy": "somebody"}), 409, "conflict")
    expected(await operator.delete(f"{PATH}/{uid}", params={"managedBy": "operator"}), 200)


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
