"""What the provider says of a connector, by a hub that is its pod and a simulator that is the provider."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.integration.simulator.world import Bot, Simulator, simulating
from tests.operator.cluster import connector
from tests.operator.played import play
from tests.operator.processes import Hub, conditions, credentials, until
from tests.operator.stage import Stage, staged

SECRET = "secret_of_this_test"


class Scene(NamedTuple):
    """A stage whose hub plays one pod at a time. `first`, `other`: bots."""

    stage: Stage
    simulator: Simulator
    first: Bot
    other: Bot


@pytest.fixture(scope="module")
def scene(namespaces, tmp_path_factory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("provider")
    hub = Hub(folder / "hub")
    hub.server.set(CHAT4ALL_CHANNELS__PUBLIC_URL=hub.server.url)  # so that the provider reaches it
    with simulating(folder / "simulator") as simulator:
        try:
            hub.start()
            stage = Stage(namespaces(), hub, folder / "operator")
            with staged(stage):
                yield Scene(stage, simulator, simulator.bot(), simulator.bot())
        finally:
            hub.server.kill()


def make(scene: Scene, name: str, bot: Bot, **config: str) -> str:
    """Create a connector with the keys of a bot, and have a pod of it run; its uid."""
    stage = scene.stage
    stage.secret(f"keys-{name}", botToken=bot.token, webhookSecret=SECRET)
    reference = {"name": f"keys-{name}"}
    given = {"baseURL": scene.simulator.url, **config}
    uid = stage.create(connector(name, credentialsSecretRef=reference, config=given))
    stage.runs(name)
    play(stage.hub, uid, {"botToken": bot.token, "webhookSecret": SECRET}, f"{name}-0")
    return uid


def give(scene: Scene, name: str, uid: str, token: str) -> None:
    """Replace its token, in the Secret and, as kubelet does, in its pod."""
    stage = scene.stage
    values = credentials(botToken=token, webhookSecret=SECRET)["stringData"]
    stage.patch("secret", f"keys-{name}", {"stringData": values})
    file = stage.hub.folder / f"credentials-{uid}" / "botToken"
    new = file.with_suffix(".new")
    new.write_text(token)
    new.replace(file)


def told(stage: Stage, name: str) -> dict[str, tuple[str, str]]:
    """The status of each condition, and since when."""
    return {one["type"]: (one["status"], one["lastTransitionTime"]) for one in stage.get(name)["status"]["conditions"]}


def webhook(bot: Bot) -> str:
    found: str = bot.call("getWebhookInfo")["url"]
    return found


def test_it_is_ready_when_the_provider_takes_it_and_says_whose_account_it_is(scene: Scene) -> None:
    stage = scene.stage
    uid = make(scene, "support", scene.first)
    stage.becomes("support", "Ready", "True", "Ready")
    stage.namespace.kubectl("wait", "--for=condition=Ready", "chconn/support", "--timeout=60s")
    found = stage.get("support")
    assert {kind: status for kind, (status, _) in conditions(found).items()} == {
        **dict.fromkeys(
            ("Accepted", "CredentialsResolved", "Available", "Authenticated", "Registered", "Ready"), "True"
        ),
        "RateLimited": "False",
    }
    assert scene.first.name in found["status"]["account"]
    assert webhook(scene.first).endswith(f"/hooks/telegram/{uid}")


def test_a_token_that_the_provider_refuses_is_said_and_a_good_one_is_enough(scene: Scene) -> None:
    stage = scene.stage
    uid = stage.get("support")["metadata"]["uid"]
    before, pods = told(stage, "support"), stage.run("support")
    give(scene, "support", uid, "1:of-nobody-at-all")
    found = stage.becomes("support", "Authenticated", "False", "TokenRefused")
    assert "of-nobody" not in str(stage.get("support"))
    shown = conditions(stage.get("support"))
    assert (shown["Ready"], shown["Stalled"]) == (("False", "TokenRefused"), ("True", "TokenRefused"))
    assert stage.is_told("support", "Warning", "TokenRefused") == found["message"]
    after = told(stage, "support")
    for kind, (status, since) in before.items():
        assert (after[kind][0] == status) == (after[kind][1] == since), f"{kind}: a time moves with its status alone"
    assert after["Accepted"] == before["Accepted"]
    give(scene, "support", uid, scene.first.token)
    stage.becomes("support", "Ready", "True", "Ready")
    assert "Stalled" not in conditions(stage.get("support"))
    assert stage.run("support") == pods, "no pod is replaced because of its keys"
    assert webhook(scene.first).endswith(uid)


def test_a_second_connector_with_the_same_bot_is_refused_and_the_first_is_untouched(scene: Scene) -> None:
    stage = scene.stage
    first, url = stage.row("support"), webhook(scene.first)
    uid = make(scene, "second", scene.first)
    found = stage.becomes("second", "Ready", "False", "DuplicateAccount")
    assert conditions(stage.get("second"))["Stalled"] == ("True", "DuplicateAccount")
    assert stage.is_told("second", "Warning", "DuplicateAccount") == found["message"]
    now = stage.row("support")
    assert all(now[field] == first[field] for field in ("uid", "state", "spec", "account"))
    assert webhook(scene.first) == url
    give(scene, "second", uid, scene.other.token)
    stage.becomes("second", "Ready", "True", "Ready")
    assert webhook(scene.other).endswith(uid)


def test_a_connector_that_is_deleted_leaves_nothing_at_the_provider(scene: Scene) -> None:
    stage = scene.stage
    stage.delete("second")
    stage.is_gone("second")
    assert webhook(scene.other) == ""
    assert stage.row("second") is None
    stage.is_told("second", "Normal", "Unregistered")
    assert webhook(scene.first) != "", "the other one's stays"
    assert not stage.all("job"), "a pod of it could tell the provider"


def test_a_duplicate_that_is_deleted_takes_nothing_from_the_one_that_has_the_account(scene: Scene) -> None:
    stage = scene.stage
    url = webhook(scene.first)
    make(scene, "third", scene.first, mode="Polling")  # where nobody is the one that receives yet
    stage.becomes("third", "Ready", "False", "DuplicateAccount")
    stage.delete("third")
    stage.is_gone("third")
    assert webhook(scene.first) == url
    assert stage.row("support")["account"]


def test_while_the_provider_cannot_be_reached_a_deletion_is_tried_and_then_given_up(scene: Scene) -> None:
    stage = scene.stage
    uid = stage.get("support")["metadata"]["uid"]
    keys: dict[str, Any] = {"botToken": scene.first.token, "webhookSecret": SECRET}
    (Path(stage.hub.folder) / f"credentials-{uid}").rename(stage.hub.folder / "aside")
    play(stage.hub, uid, keys, "support-0")
    stage.becomes("support", "Ready", "True", "Ready")
    scene.simulator.kill()
    stage.delete("support")

    def is_tried() -> bool:
        row = stage.row("support")
        return bool(row) and any(one["reason"] == "UnregisterFailed" for one in row["reports"])

    until("it is tried", is_tried)
    assert stage.get("support") is not None
    # The time after which it is given up has gone by for an operator that is given less of it.
    stage.operator.process.kill()
    stage.operator.process.environment["CHAT4ALL_OPERATOR__UNREGISTER_SECONDS"] = "1"
    stage.operator.start()
    stage.is_gone("support")
    assert "webhook" in stage.is_told("support", "Warning", "UnregisterGivenUp")
    assert stage.row("support") is None
