"""Case A1: whatever becomes of the connection to the API server, the operator acts again by itself when it is back.

kopf#996: connections were reset while a watch was being opened; one retry, and then nothing was handled any more though
the process lived. k8s-sidecar#621: health stayed good for eight hours over a dead watch. Five minutes of silence and
90 s of a frozen server are shortened here to what shows the same: longer than the operator's liveness takes to fail,
and, for the frozen server, longer than its lease lasts. Everything else waits for a condition: on a machine with
nothing else to do, each trigger is acted upon within seconds of the connection being back.
"""

import itertools
import re
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hack.node.control_plane import ControlPlane
from tests.operator.cluster import Namespace, connector
from tests.operator.counts import calls
from tests.operator.detour import Detour, Fate, asked
from tests.operator.processes import Hub, Operator, conditions, credentials, until

WATCHED = ("channelconnectors", "secrets", "deployments", "jobs")
DEPLOYMENT = "connector-support"
LIST = re.compile(r"GET /apis?/([^/]+/)?[^/]+/namespaces/[^/]+/[^/]+$")


class Scene(NamedTuple):
    """One connector, and an operator that comes to the API server through a detour."""

    namespace: Namespace
    detour: Detour
    operator: Operator
    numbers: Iterator[int]

    def pods(self) -> set[str]:
        """The uids of its pods that are not going."""
        found = self.namespace.get("pods")
        return {one["metadata"]["uid"] for one in found if "deletionTimestamp" not in one["metadata"]}


@pytest.fixture(scope="module")
def scene(rough: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("a1")
    namespace, hub = Namespace(rough, "a1"), Hub(folder / "hub")
    detour = Detour(rough.server, rough.ca.parent)
    quick = {"resync_seconds": "2", "poll_seconds": "1", "blind_seconds": "8"}
    operator = Operator(namespace, hub, folder / "operator", **quick)
    detour.lead(operator.kubeconfig)
    try:
        hub.start()
        operator.start()
        namespace.create(credentials())
        namespace.create(connector(config={"mode": "Polling"}))
        one = Scene(namespace, detour, operator, itertools.cycle([2, 3]))
        until("a pod is there", one.pods)
        yield one
    finally:
        operator.process.kill()
        detour.close()
        hub.server.kill()


def acts_on_each_trigger(scene: Scene) -> None:
    """The resource, its Secret and its child are changed, and each has the consequence that it has to have."""
    namespace, before, wanted = scene.namespace, scene.pods(), next(scene.numbers)
    patch = f'{{"spec": {{"replicas": {wanted}}}}}'
    namespace.kubectl("patch", "chconn", "support", "--type=merge", f"--patch={patch}")
    until("the resource is acted upon", lambda: namespace.get("deployment", DEPLOYMENT)["spec"]["replicas"] == wanted)

    def resolved() -> Any:
        return conditions(namespace.get("chconn", "support"))["CredentialsResolved"]

    for keys, reason in ({"webhookSecret": "alone"}, "SecretLacksKey"), ({}, "Resolved"):
        namespace.kubectl("delete", "secret", "keys")
        namespace.create(credentials(**keys))
        until("the Secret is acted upon", lambda reason=reason: resolved()[1] == reason)  # type: ignore[misc]
    until("the pods are there", lambda: len(scene.pods()) == wanted)
    assert len(before & scene.pods()) == min(len(before), wanted), "pods that were there are untouched"

    uid = namespace.get("deployment", DEPLOYMENT)["metadata"]["uid"]
    namespace.kubectl("delete", "deployment", DEPLOYMENT)
    until("the child is acted upon", lambda: [
        one for one in namespace.get("deployments") if one["metadata"]["uid"] != uid
    ])  # fmt: skip
    until("its pods are there", lambda: len(scene.pods()) == wanted and not scene.pods() & before)
    assert scene.operator.process.alive


def watches(request: bytes) -> str:
    """The kind that a request watches, or nothing."""
    path = asked(request).partition("?")[0]
    return path.rpartition("/")[2] if b"watch=true" in request else ""


def lists(request: bytes) -> bool:
    """Whether a request lists a kind."""
    return bool(LIST.match(asked(request))) and not watches(request)


def test_a1_watches_that_are_reset_at_their_opening(scene: Scene) -> None:
    """The list does without the watch, and the watch is there again afterwards: then it does without the list."""
    resets: Counter[str] = Counter()
    opened: Counter[str] = Counter()

    def reset_watches(request: bytes) -> Fate | None:
        resets.update([watches(request)] if watches(request) else [])
        return Fate.RESET if watches(request) else None

    def reset_lists(request: bytes) -> Fate | None:
        opened.update([watches(request)] if watches(request) else [])
        return Fate.RESET if lists(request) else None

    pods = scene.pods()
    scene.detour.rule = reset_watches
    scene.detour.reset()
    until("each watch has been reset three times", lambda: len(resets) == 4 and min(resets.values()) >= 3)
    assert scene.pods() == pods
    acts_on_each_trigger(scene)
    until("what it lists is enough to be live", lambda: scene.operator.live() == {})

    scene.detour.rule = lambda request: opened.update([watches(request)])
    until("each watch is there again", lambda: set(WATCHED) <= set(opened))
    scene.detour.rule = reset_lists
    until("no list works", lambda: "cannot be listed" in (scene.operator.ready() or {}).get("lists", ""))
    listed = last_list(scene)
    acts_on_each_trigger(scene)
    assert last_list(scene) == listed
    scene.detour.rule = lambda _: None
    until("it is well", lambda: scene.operator.ready() == {})


def is_blind(scene: Scene) -> bool:
    """Whether it says that it is not live, and why."""
    return "has not been seen" in (scene.operator.live() or {}).get("cluster", "")


def unreachable(scene: Scene) -> float:
    """How many lists have not been answered."""
    return calls(scene.operator, "list_failures", reason="Unreachable")


def last_list(scene: Scene) -> float:
    """When connectors were last listed, whole."""
    name, labels = "chat4all_operator_last_list_timestamp_seconds", {("resource", "channelconnectors")}
    return scene.operator.metrics()[name, frozenset(labels)]


def test_a1_connections_that_are_accepted_and_never_answer(scene: Scene) -> None:
    """Those that were there while it lasted never do again: what waits on a dead one must not wait for ever."""
    pods, failed, listed = scene.pods(), unreachable(scene), last_list(scene)
    scene.detour.silence()
    until("it is not live", lambda: is_blind(scene))
    until("a metric says so", lambda: unreachable(scene) > failed)
    frozen = last_list(scene)
    assert frozen >= listed
    scene.detour.heal()
    assert scene.pods() == pods
    acts_on_each_trigger(scene)
    until("it is well", lambda: scene.operator.live() == {} == scene.operator.ready())
    assert last_list(scene) > frozen


def test_a1_an_api_server_that_is_frozen(scene: Scene) -> None:
    """It outlives its own lease, does nothing after that, and takes it again."""
    pods, plane = scene.pods(), scene.namespace.control_plane
    plane.signal("apiserver", signal.SIGSTOP)
    try:
        until("it is not live", lambda: is_blind(scene))
        until("it does not act", lambda: not scene.operator.metrics()["chat4all_operator_leading", frozenset()])
    finally:
        plane.signal("apiserver", signal.SIGCONT)
    assert scene.pods() == pods
    acts_on_each_trigger(scene)
    until("it is well", lambda: scene.operator.live() == {} == scene.operator.ready())
