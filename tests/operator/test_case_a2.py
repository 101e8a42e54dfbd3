"""Case A2: several operators beside each other never undo each other's work.

k8ssandra-operator#976: two deployments of one operator worked on the same resources and undid each other without end.
kopf#734: another peer's announcement froze all watches, seen only in the debug log. Five minutes with a change every
ten seconds are shortened to some changes of every connector, each of which is waited for: who would fight would do so
at each of them.
"""

import datetime as dt
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from hack.node.control_plane import ControlPlane
from tests.integration.simulator.world import Bot, Simulator, simulating
from tests.operator.cluster import Namespace, client, connector
from tests.operator.counts import looks_again
from tests.operator.played import play
from tests.operator.processes import TEMPLATE, Hub, Operator, credentials, until

MANY = 10
ROUNDS = (3, 2, 3, 2)  # replicas, one after the other
QUICK = {"resync_seconds": "1", "poll_seconds": "0.5"}
CHILDREN = ("deployments", "services", "ingresses", "poddisruptionbudgets")
HERE = "connector-support-0"


class Scene(NamedTuple):
    """Ten connectors, the first of which a hub plays, and the operator that acts."""

    namespace: Namespace
    hub: Hub
    acting: Operator
    bot: Bot
    folder: Path
    numbers: Iterator[int]

    def another(self, image: str, **settings: str) -> Operator:
        """An operator that makes connectors of another image. It is not started."""
        folder = self.folder / f"another-{next(self.numbers)}"
        folder.mkdir()
        template = json.loads(json.dumps(TEMPLATE))
        template["spec"]["containers"][0]["image"] = image
        (folder / "template.yaml").write_text(yaml.safe_dump(template))
        return Operator(self.namespace, self.hub, folder, **{**QUICK, "pod": "operator-1", **settings})

    def generations(self) -> dict[tuple[str, str], tuple[str, int]]:
        """The uid and the generation of each child."""
        return {
            (one["kind"], one["metadata"]["name"]): (one["metadata"]["uid"], one["metadata"].get("generation", 0))
            for one in self.namespace.get(",".join(CHILDREN))
        }

    def images(self) -> set[str]:
        found = self.namespace.get("deployments")
        return {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in found}

    def webhooks(self) -> int:
        """How often the provider was told where to post."""
        return len(self.bot.simulator.log(bot=self.bot.name, what="received", method="setWebhook"))


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulating(tmp_path_factory.mktemp("simulator") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def scene(rough: ControlPlane, simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("a2")
    namespace, bot = Namespace(rough, "a2"), simulator.bot()
    hub = Hub(folder / "hub").start()
    operator = Operator(namespace, hub, folder / "operator", **QUICK)
    keys = {"botToken": bot.token, "webhookSecret": "secret_of_this_test"}
    config = {"mode": "Webhook", "baseURL": simulator.url}
    try:
        operator.start()
        namespace.create(credentials(**keys))
        items = [connector(f"support-{number}", replicas=2, config=config) for number in range(MANY)]
        namespace.create({"apiVersion": "v1", "kind": "List", "items": items})
        until("there are pods", lambda: len(namespace.get("pods")) == 2 * MANY)
        play(hub, namespace.get("chconn", "support-0")["metadata"]["uid"], keys)
        one = Scene(namespace, hub, operator, bot, folder, itertools.count(1))
        until("the provider is told", lambda: one.webhooks() == 1)
        looks_again(operator)
        yield one
    finally:
        operator.process.kill()
        hub.server.kill()


def scale(scene: Scene, replicas: int) -> None:
    """Every connector gets so many pods."""
    scene.namespace.kubectl("scale", "chconn", "--all", f"--replicas={replicas}")
    until("each has its pods", lambda: {
        one["spec"]["replicas"] for one in scene.namespace.get("deployments")
    } == {replicas})  # fmt: skip


def changes_cost_one_write_each(scene: Scene) -> None:
    """The generation of each child rises by at most one for each change of a spec, whoever wrote."""
    for replicas in ROUNDS:
        before = scene.generations()
        scale(scene, replicas)
        looks_again(scene.acting)
        after = scene.generations()
        assert after.keys() == before.keys()
        for child, (uid, generation) in after.items():
            assert uid == before[child][0], child
            assert generation <= before[child][1] + 1, child


def holder(namespace: Namespace) -> str:
    found: str = namespace.get("lease", "chat4all-operator")["spec"]["holderIdentity"]
    return found


OTHERS: dict[str, tuple[str, dict[str, str]]] = {
    "c4a/operator-1": ("localhost/chat4all:dev", {"pod": "operator-1"}),
    "c4a/operator-2": ("localhost/chat4all:other", {"pod": "operator-2"}),
    "other/operator-3": ("localhost/chat4all:other", {"release": "other", "instance": "other", "pod": "operator-3"}),
}


def stands_by(namespace: Namespace, other: Operator, name: str) -> None:
    """It is not ready, and says why there, in its log and in an event; it lives, since a new start would not help."""
    until("it says that it stands by", lambda: "stands by" in (other.ready() or {}).get("lease", ""))
    said = f"the operator c4a/operator-0 acts in this namespace; this one, {name}, stands by"
    assert (other.ready() or {})["lease"] == said
    assert said in other.log()
    assert other.live() == {}
    events = namespace.get("events", "--field-selector=reason=StandingBy,involvedObject.kind=Lease")
    assert [one["type"] for one in events if one["message"] == f"{said}."] == ["Warning"]


def test_a2_of_several_operators_one_acts_and_the_others_say_that_they_stand_by(scene: Scene) -> None:
    """A second pod of the same release, one with another image of connectors, and one of another release."""
    others = {name: scene.another(image, **settings) for name, (image, settings) in OTHERS.items()}
    try:
        for other in others.values():
            other.process.start()
        for name, other in others.items():
            stands_by(scene.namespace, other, name)
        changes_cost_one_write_each(scene)
        for name, other in others.items():
            assert other.writes() == 1, f"{name}: its event"
        assert scene.images() == {"localhost/chat4all:dev"}
        assert holder(scene.namespace) == "c4a/operator-0"
        assert scene.acting.ready() == {}
        assert scene.webhooks() == 1
    finally:
        for other in others.values():
            other.process.kill()


def peerings(plane: ControlPlane) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each definition that kopf knows its peers by, and an object of it by which somebody more important speaks."""
    now = dt.datetime.now(dt.UTC).isoformat()
    boss = {"boss": {"priority": 1_000_000, "lastseen": now, "lifetime": 86_400}}
    for group in ("zalando.org", "kopf.dev"):
        for kind, scope in (("KopfPeering", "Namespaced"), ("ClusterKopfPeering", "Cluster")):
            schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            names = {"kind": kind, "plural": f"{kind.lower()}s", "singular": kind.lower()}
            definition = {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{kind.lower()}s.{group}"},
                "spec": {"group": group, "names": names, "scope": scope, "versions": [version]},
            }
            yield (
                definition,
                {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "default"}, "status": boss},
            )


def test_a2_what_peers_of_kopf_announce_is_not_heard(rough: ControlPlane, scene: Scene) -> None:
    """The operator may even read it, and its watches go on: lists come too seldom in this test to do their work."""
    namespace, made = Namespace(rough, "a2-peers"), list(peerings(rough))
    operator = Operator(namespace, scene.hub, scene.folder / "peers", **{**QUICK, "resync_seconds": "3600"})
    try:
        for definition, _ in made:
            rough.kubectl("create", "--filename=-", given=json.dumps(definition))
            rough.kubectl("wait", "--for=condition=Established", f"crd/{definition['metadata']['name']}")
        for _, peering in made:
            namespace.create(peering)
        account = f"--serviceaccount={namespace.name}:c4a-chat4all-operator"
        rough.kubectl("create", "clusterrolebinding", "a2-peers", "--clusterrole=cluster-admin", account)
        operator.start()
        namespace.create(credentials())
        namespace.create(connector(config={"mode": "Polling"}))
        until("it is acted upon", lambda: namespace.get("deployments"))
        namespace.kubectl("scale", "chconn/support", "--replicas=3")
        until("so is its change", lambda: namespace.get("deployments")[0]["spec"]["replicas"] == 3)
        with client(rough) as api:
            for definition, peering in made:
                group, plural = definition["spec"]["group"], definition["spec"]["names"]["plural"]
                place = "" if definition["spec"]["scope"] == "Cluster" else f"/namespaces/{namespace.name}"
                found = api.get(f"/apis/{group}/v1{place}/{plural}/default").json()
                assert found["status"] == peering["status"], "nor does it announce itself"
    finally:
        operator.process.kill()
        rough.kubectl("delete", "clusterrolebinding", "a2-peers", "--ignore-not-found")
        names = [definition["metadata"]["name"] for definition, _ in made]
        rough.kubectl("delete", "crd", *names, "--ignore-not-found")


def test_a2_the_one_that_stands_by_takes_over_and_they_do_not_alternate(scene: Scene) -> None:
    """With another image it rolls each connector once. When the first is back, that one stands by."""
    before = scene.generations()
    other = scene.another("localhost/chat4all:other", max_rolling="100")
    try:
        other.process.start()
        until("it stands by", lambda: "stands by" in (other.ready() or {}).get("lease", ""))
        assert scene.acting.process.stop() == 0
        until("it acts", lambda: other.ready() == {})
        until("it has rolled each", lambda: scene.images() == {"localhost/chat4all:other"})
        scene.acting.process.start()
        until("the first stands by", lambda: "operator-1 acts" in (scene.acting.ready() or {}).get("lease", ""))
        looks_again(other)
        rolled = scene.generations()
        for child, (uid, generation) in rolled.items():
            assert uid == before[child][0], child
            assert generation <= before[child][1] + 1, child
        looks_again(other)
        assert scene.generations() == rolled
        assert scene.acting.writes() == 1, "the event"
        assert scene.images() == {"localhost/chat4all:other"}
        assert scene.webhooks() == 1
    finally:
        other.process.stop()
