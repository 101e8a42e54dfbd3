"""The pod that connectors are made from: read whole, and given only what differs between connectors."""

import copy
from pathlib import Path

import pytest
from tests.unit.operator import objects

from chat4all.model.errors import StartError
from chat4all_operator import template

GOOD = """\
metadata: {labels: {team: red}}
maxUnavailable: 25%
spec:
  containers:
    - {name: connector, image: a, resources: {requests: {cpu: 100m}}}
    - {name: mesh, image: b}
  volumes: [{name: tmp, emptyDir: {}}]
"""


def test_it_is_read(tmp_path: Path) -> None:
    (file := tmp_path / "template.yaml").write_text(GOOD)
    found = template.read(file)
    assert found.container["name"] == "connector"
    assert found.budget == "25%"
    assert found.requests_cpu


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "spec: {}",
        "spec: {containers: []}",
        "spec: {containers: [{}]}",
        "spec: [",
        "spec: x",
        "metadata: {}",
    ],
)
def test_what_is_none_is_said_with_its_file(tmp_path: Path, text: str) -> None:
    (file := tmp_path / "template.yaml").write_text(text)
    with pytest.raises(StartError, match=r"POD_TEMPLATE: .*template\.yaml has no pod template"):
        template.read(file)
    with pytest.raises(StartError, match=r"none\.yaml"):
        template.read(tmp_path / "none.yaml")


def test_a_connector_adds_its_uid_its_credentials_and_labels(tmp_path: Path) -> None:
    (file := tmp_path / "template.yaml").write_text(GOOD)
    read = template.read(file)
    before = copy.deepcopy(read)
    made = read.of("uid-1", "keys", {"a": "b"})
    assert read == before, "the next connector begins with the same"
    assert made["metadata"]["labels"] == {"team": "red", "a": "b"}
    connector, mesh = made["spec"]["containers"]
    assert connector["env"] == [{"name": "CHAT4ALL_CHANNELS__UID", "value": "uid-1"}]
    (mount,) = connector["volumeMounts"]
    assert (mount["name"], mount["readOnly"]) == ("credentials", True)
    assert mesh == {"name": "mesh", "image": "b"}
    tmp, credentials = made["spec"]["volumes"]
    assert tmp == {"name": "tmp", "emptyDir": {}}
    secret = credentials["secret"]
    assert (secret["secretName"], secret["optional"]) == ("keys", True), "a pod can begin before its Secret is there"


@pytest.mark.parametrize(
    ("resources", "requests"),
    [
        ({}, False),
        ({"limits": {"cpu": "1"}}, False),
        ({"requests": {"memory": "1Gi"}}, False),
        ({"requests": {"cpu": 1}}, True),
    ],
)
def test_whether_it_requests_cpu(resources: dict[str, dict[str, object]], requests: bool) -> None:
    assert objects.template(resources=resources).requests_cpu is requests


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert template.digest({"a": 1, "b": [2, {"c": 3, "d": 4}]}) == template.digest(
        {"b": [2, {"d": 4, "c": 3}], "a": 1}
    )
    assert template.digest({"a": 1}) != template.digest({"a": 2})
