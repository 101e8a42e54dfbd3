"""Case A4: an operator that cannot list what it works from deletes nothing, disables nothing, and says what is missing.

argo-cd#18480: a list that failed was taken for an empty one, and every application was deleted. Here there are fifty
connectors, and what is an orphan is deleted at once instead of after a day, so that no time of grace hides a mistake.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from hack.node.control_plane import ControlPlane, KubectlError
from tests.operator.cluster import Namespace, client, connector
from tests.operator.counts import calls, looks_again
from tests.operator.detour import Detour, Rule, answer, asked
from tests.operator.processes import Hub, Operator, conditions, credentials, until

MANY = 50
RUNNING: dict[str, Any] = {"replicas": 2, "config": {"mode": "Webhook"}}
PAUSED: dict[str, Any] = {"state": "Paused", "config": {"mode": "Polling"}}
CHILDREN = ("deployments", "services", "ingresses", "poddisruptionbudgets", "horizontalpodautoscalers")
DEFINITION = "channelconnectors.chat4all.io"
AT_ONCE = {"orphan_grace_seconds": "0", "resync_seconds": "0.5", "poll_seconds": "0.5"}


class Scene(NamedTuple):
    """Fifty connectors at rest, and no operator."""

    namespace: Namespace
    hub: Hub
    folder: Path
    before: Any  # what there is, as `things` has it

    def operator(self, **settings: str) -> Operator:
        return Operator(self.namespace, self.hub, self.folder / "operator", **{**AT_ONCE, **settings})

    def things(self) -> Any:
        return things(self.namespace, self.hub)


def things(namespace: Namespace, hub: Hub) -> Any:
    """Every row and every child, as far as it must not change."""
    found = namespace.get(",".join(CHILDREN))
    children = {
        (one["kind"], one["metadata"]["name"]): (one["metadata"]["uid"], one["metadata"].get("generation"))
        for one in found
    }
    rows = {name: (row["uid"], row["state"], row["disabledAt"]) for name, row in hub.rows().items()}
    return rows, children


def accepted(namespace: Namespace) -> Counter[tuple[str, str]]:
    """How many connectors are accepted, or not and why."""
    with client(namespace.control_plane) as api:
        found = api.get(namespace.path).json()["items"]
    return Counter(conditions(one).get("Accepted", ("", "")) for one in found)


@pytest.fixture(scope="module")
def scene(rough: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("a4")
    namespace, hub = Namespace(rough, "a4"), Hub(folder / "hub")
    operator = Operator(namespace, hub, folder / "operator", **AT_ONCE)
    try:
        hub.start()
        operator.start()
        namespace.create(credentials())
        items = [connector(f"support-{number}", **(RUNNING if number < 5 else PAUSED)) for number in range(MANY)]
        namespace.create({"apiVersion": "v1", "kind": "List", "items": items})
        until("all are accepted", lambda: accepted(namespace) == {("True", "Accepted"): MANY})
        looks_again(operator)
        assert operator.process.stop() == 0
        yield Scene(namespace, hub, folder, things(namespace, hub))
    finally:
        operator.process.kill()
        hub.server.kill()


def lists(request: bytes, kind: str = "channelconnectors") -> dict[str, list[str]] | None:
    """What a request for a list of this kind asks for; None where it asks for something else."""
    verb, _, path = asked(request).partition(" ")
    parts = urlsplit(path)
    query = parse_qs(parts.query)
    return query if verb == "GET" and parts.path.endswith(f"/{kind}") and "watch" not in query else None


def second_page(request: bytes) -> bytes | memoryview | None:
    """Pages are of twenty, and the second is an error."""
    query = lists(request)
    if query is not None and "continue" in query:
        return answer(500, {"kind": "Status", "code": 500, "reason": "InternalError", "message": "etcd has no leader"})
    return memoryview(request.replace(b"limit=500", b"limit=20"))


def cold_cache(request: bytes) -> bytes | None:
    """Who asks for what the server happens to have gets nothing; who asks for what is true is told to come back."""
    query = lists(request)
    if query is None:
        return None
    if query.get("resourceVersion") == ["0"]:
        head = {"apiVersion": "chat4all.io/v1alpha1", "kind": "ChannelConnectorList"}
        return answer(200, {**head, "metadata": {"resourceVersion": "1"}, "items": []})
    told = {"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "storage is (re)initializing"}
    return answer(429, told, Retry_After="1")


@contextlib.contextmanager
def led_astray(rule: Rule, scene: Scene, operator: Operator) -> Iterator[Callable[[], None]]:
    plane = scene.namespace.control_plane
    detour = Detour(plane.server, plane.ca.parent, rule)
    detour.lead(operator.kubeconfig)
    try:
        yield lambda: setattr(detour, "rule", lambda _: None)
    finally:
        operator.process.kill()
        detour.close()


@contextlib.contextmanager
def forbidden(scene: Scene, _: Operator) -> Iterator[Callable[[], None]]:
    name = "c4a-chat4all-operator"
    role = scene.namespace.get("role", name)
    del role["metadata"]["resourceVersion"], role["metadata"]["uid"]
    less = json.loads(json.dumps(role))
    for rule in less["rules"]:
        if rule["resources"] == ["channelconnectors"]:
            rule["verbs"].remove("list")
    who = f"--as=system:serviceaccount:{scene.namespace.name}:{name}"

    def may() -> bool:
        with contextlib.suppress(KubectlError):
            return "yes" in scene.namespace.kubectl("auth", "can-i", "list", "channelconnectors", who)
        return False

    def give(rights: Any) -> None:
        scene.namespace.kubectl("replace", "--filename=-", given=json.dumps(rights))

    give(less)
    try:
        until("it may not", lambda: not may())
        yield lambda: give(role)
    finally:
        give(role)


@contextlib.contextmanager
def not_served(scene: Scene, _: Operator) -> Iterator[Callable[[], None]]:
    plane = scene.namespace.control_plane

    def serve(served: str) -> None:
        patch = f'[{{"op": "replace", "path": "/spec/versions/0/served", "value": {served}}}]'
        plane.kubectl("patch", "crd", DEFINITION, "--type=json", f"--patch={patch}")

    def is_served() -> bool:
        return DEFINITION in plane.kubectl(
            "api-resources", "--api-group=chat4all.io", "--output=name", "--cached=false"
        )

    serve("false")
    try:
        until("it is not served", lambda: not is_served())
        yield lambda: serve("true")
    finally:
        serve("true")
        until("it is served", is_served)


FAULTS: dict[str, tuple[Any, str]] = {
    "it may not list": (forbidden, "Forbidden"),
    "the second page is an error": (lambda *given: led_astray(second_page, *given), "InternalError"),
    "the definition is not served": (not_served, "404"),
    "a cache that is not filled": (lambda *given: led_astray(cold_cache, *given), "TooManyRequests"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a4_nothing_is_concluded_from_a_list_that_fails(scene: Scene, fault: str) -> None:
    fails, reason = FAULTS[fault]
    operator = scene.operator()
    with fails(scene, operator) as mend:
        try:
            operator.process.start()
            until("it is up", lambda: operator.ready() is not None)
            until("it has tried", lambda: calls(
                operator, "list_failures", resource="channelconnectors", reason=reason
            ) >= 2)  # fmt: skip
            assert "channelconnectors cannot be listed" in (operator.ready() or {})["lists"]
            assert operator.live() == {}, "a new start would not help"
            assert "channelconnectors cannot be listed" in operator.log()
            assert operator.writes() == 0
            assert scene.things() == scene.before

            mend()
            until("it is ready", lambda: operator.ready() == {})
            looks_again(operator)
            assert operator.writes() == 0, operator.log()
            assert scene.things() == scene.before
        finally:
            operator.process.stop()


def empty(request: bytes) -> bytes | None:
    """The internal API knows of no connector."""
    if asked(request).startswith("GET /internal/v1/connectors?"):
        return answer(200, {"version": "none", "connectors": []}, ETag='"none"')
    return None


def test_a4_an_empty_list_of_the_internal_api_costs_nothing(scene: Scene) -> None:
    detour = Detour(scene.hub.internal_url, rule=empty)
    operator = scene.operator(api_url=detour.url)
    try:
        operator.start()
        looks_again(operator)
        assert scene.things() == scene.before
        assert accepted(scene.namespace) == {("True", "Accepted"): MANY}

        detour.rule = lambda _: None
        looks_again(operator)
        written = operator.writes()
        looks_again(operator)
        assert operator.writes() == written
        assert calls(operator, "kubernetes_calls", verb="apply") == 0
        assert calls(operator, "kubernetes_calls", verb="patch") == 0
        assert scene.things() == scene.before
    finally:
        operator.process.stop()
        detour.close()


def test_a4_another_release_changes_nothing_of_what_is_not_its_own(scene: Scene) -> None:
    operator = scene.operator(release="other", instance="other")
    try:
        operator.start()
        until("it says whose they are", lambda: accepted(scene.namespace) == {("False", "Conflict"): MANY})
        looks_again(operator)
        assert scene.things() == scene.before
        message = scene.namespace.get("chconn", "support-0")["status"]["conditions"][0]["message"]
        assert "operator/a4/c4a" in message
    finally:
        operator.process.stop()

    operator = scene.operator()
    try:
        operator.start()
        until("they are accepted again", lambda: accepted(scene.namespace) == {("True", "Accepted"): MANY})
        looks_again(operator)
        written = operator.writes()
        looks_again(operator)
        assert operator.writes() == written
        assert scene.things() == scene.before
    finally:
        operator.process.stop()


def test_a4_a_deletion_waits_for_a_registration_that_the_internal_api_has_lost(scene: Scene) -> None:
    """Its provider has not been told yet, and nothing says that it need not be."""
    detour = Detour(scene.hub.internal_url, rule=lambda _: None)
    operator = scene.operator(api_url=detour.url)
    try:
        operator.start()
        looks_again(operator)
        detour.rule = empty
        looks_again(operator)
        scene.namespace.kubectl("delete", "chconn", "support-49", "--wait=false")
        looks_again(operator)
        assert scene.namespace.get("chconn", "support-49")["metadata"]["finalizers"] == ["chat4all.io/unregister"]
        detour.rule = lambda _: None
        until("it is gone", lambda: accepted(scene.namespace) == {("True", "Accepted"): MANY - 1})
        told = {one["reason"] for one in scene.namespace.get("events") if one["involvedObject"]["name"] == "support-49"}
        assert "UnregisterGivenUp" not in told
        assert "a4.support-49" not in scene.hub.rows()
    finally:
        operator.process.stop()
        detour.close()
