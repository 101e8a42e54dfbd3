"""What the spec asks for and the installation does not have, and an API that is away, or cannot do what it is asked.

The operator of this module knows a channel that the API does not, its connectors request no CPU, and nobody knows where
providers reach them.
"""

import copy
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests import pigeon
from tests.operator.cluster import connector
from tests.operator.pods import tells
from tests.operator.processes import TEMPLATE, Hub, conditions, until
from tests.operator.stage import Stage, staged

SITE = str(Path(pigeon.__file__).parent / "site")


@pytest.fixture(scope="module")
def own_hub(tmp_path_factory) -> Iterator[Hub]:
    made = Hub(tmp_path_factory.mktemp("own-hub"))
    try:
        yield made.start()
    finally:
        made.server.kill()


@pytest.fixture(scope="module")
def stage(namespaces, own_hub, tmp_path_factory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("operator")
    template = copy.deepcopy(dict(TEMPLATE))
    del template["spec"]["containers"][0]["resources"]
    (folder / "template.yaml").write_text(yaml.safe_dump(template))
    namespace = namespaces()
    made = Stage(namespace, own_hub, folder, hooks="{}")
    made.operator.process.environment["PYTHONPATH"] = SITE
    with staged(made) as running:
        running.secret()
        yield running


REFUSED: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "scaled": ({"autoscaling": {"maxReplicas": 3}}, "NoRequests", ("connectors.resources.requests.cpu", "values")),
    "hooked": ({"config": {"mode": "Webhook"}}, "NoPublicURL", ("hooks.publicURL", "spec.config.mode: Polling")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_installation_lacks_is_said_with_the_value_to_set(stage: Stage, name: str) -> None:
    spec, reason, says = REFUSED[name]
    stage.create(connector(name, **spec))
    found = stage.becomes(name, "Accepted", "False", reason)
    for words in says:
        assert words in found["message"]
    assert stage.is_told(name, "Warning", reason) == found["message"]
    assert stage.child("deployment", name) is None
    stage.patch("channelconnector", name, {"spec": dict.fromkeys(spec)})
    stage.becomes(name, "Accepted", "True", "Accepted")
    until("it has pods", lambda: stage.child("deployment", name))
    assert stage.child("ingress", name) is None, "without an address it polls"


def test_a_channel_that_only_the_operator_knows_names_the_image_to_compare(stage: Stage) -> None:
    stage.namespace.create({**yaml_secret("ring"), "stringData": {"ring": "golden"}})
    stage.create(connector("loft", channel="pigeon", credentialsSecretRef={"name": "ring"}))
    found = stage.becomes("loft", "Accepted", "False", "ChannelNotInstalled")
    assert "localhost/chat4all:dev" in found["message"]
    assert conditions(stage.get("loft"))["Ready"] == ("False", "ChannelNotInstalled")
    assert stage.is_told("loft", "Warning", "ChannelNotInstalled") == found["message"]
    assert stage.child("deployment", "loft") is None


def test_while_an_engine_cannot_be_written_it_is_said_and_what_runs_goes_on(stage: Stage) -> None:
    uid = stage.create(connector())
    stage.runs("support")
    tells(stage.hub, uid)
    stage.becomes("support", "Ready", "True", "Ready")
    pods = stage.run("support")
    with sqlite3.connect(stage.hub.folder / "data" / "directory.db", isolation_level=None) as held:
        held.execute("BEGIN IMMEDIATE")  # nobody else can write meanwhile
        stage.create(connector("meanwhile"))
        stage.patch("channelconnector", "support", {"spec": {"rateLimit": {"perSecond": 3}}})
        for name in ("meanwhile", "support"):
            found = stage.becomes(name, "Accepted", "Unknown", "EnginesUnavailable")
            assert conditions(stage.get(name))["Ready"] == ("Unknown", "EnginesUnavailable")
            assert found["message"]
        stage.delete("connector-support", what="deployment")  # and is repaired all the same
        until("its pods are made again", lambda: stage.run("support") not in (set(), pods))
        held.execute("ROLLBACK")
    held.close()
    stage.becomes("meanwhile", "Accepted", "True", "Accepted")
    stage.becomes("support", "Ready", "True", "Ready")
    until("it is registered", lambda: stage.row("support")["spec"].get("rateLimit") == {"perSecond": 3.0})


def test_while_the_api_is_down_pods_go_on_and_all_is_well_when_it_is_back(stage: Stage) -> None:
    tells(stage.hub, stage.get("support")["metadata"]["uid"])
    stage.becomes("support", "Ready", "True", "Ready")
    pods, generation = stage.run("support"), stage.child("deployment")["metadata"]["generation"]
    stage.hub.server.kill()
    for kind in ("Authenticated", "Registered", "Ready"):
        found = stage.becomes("support", kind, "Unknown", "APIUnreachable")
        assert stage.hub.internal_url in found["message"]
    assert conditions(stage.get("support"))["Available"] == ("True", "Available")
    stage.create(connector("newcomer"))
    stage.becomes("newcomer", "Accepted", "Unknown", "APIUnreachable")
    stage.resyncs()
    assert stage.run("support") == pods
    assert stage.child("deployment")["metadata"]["generation"] == generation
    stage.patch("channelconnector", "support", {"spec": {"replicas": 2}})
    stage.runs("support", 2)
    assert stage.operator.ready() == {}, "a new start of the operator would not help"
    stage.hub.server.set(PYTHONPATH=SITE)  # and it has the channel that it did not have
    stage.hub.start()
    tells(stage.hub, stage.get("support")["metadata"]["uid"])
    stage.becomes("support", "Ready", "True", "Ready")
    stage.becomes("newcomer", "Accepted", "True", "Accepted")
    stage.becomes("loft", "Accepted", "True", "Accepted")
    assert pods < stage.run("support")


def yaml_secret(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "type": "chat4all.io/credentials", "metadata": {"name": name}}
