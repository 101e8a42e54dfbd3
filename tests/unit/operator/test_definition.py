"""Whether the API server serves the definition that the operator was made for, as its OpenAPI document says it."""

import copy
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from chat4all.channels.kit.resource import Spec
from chat4all_operator import definition
from chat4all_operator.cluster import Cluster, ClusterError, UnreachableError
from chat4all_operator.kinds import CONNECTOR

CRD = Path(__file__).parents[3] / "k8s" / "crds" / "channelconnector.yaml"


class Server:
    """It answers with this document, or with an error."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer

    async def schema(self, api: str) -> dict[str, Any]:
        assert api == CONNECTOR.api
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.fixture
def document() -> dict[str, Any]:
    """As the API server makes it: the definition's schema, and others of which one is of many kinds."""
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    group, _, name = CONNECTOR.api.partition("/")
    kind = {"group": group, "kind": CONNECTOR.name, "version": name}
    own = {**version["schema"]["openAPIV3Schema"], "x-kubernetes-group-version-kind": [kind]}
    listed = {**kind, "kind": f"{CONNECTOR.name}List"}
    schemas = {
        "io.k8s.DeleteOptions": {"x-kubernetes-group-version-kind": [{**kind, "kind": "DeleteOptions"}] * 3},
        "io.chat4all.List": {"properties": {"items": {}}, "x-kubernetes-group-version-kind": [listed]},
        "io.chat4all.One": own,
        "io.k8s.Time": {"type": "string"},
    }
    return {"components": {"schemas": copy.deepcopy(schemas)}}


async def problem(answer: dict[str, Any] | Exception) -> str | None:
    return await definition.problem(cast("Cluster", Server(answer)))


async def test_the_definition_of_this_repository_fits(document: dict[str, Any]) -> None:
    assert await problem(document) is None


async def test_every_field_of_the_resource_and_of_the_status_is_asked_for(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["io.chat4all.One"]["properties"]
    assert {field.alias or name for name, field in Spec.model_fields.items()} == set(properties["spec"]["properties"])
    for part in ("spec", "status"):
        for name in properties[part]["properties"]:
            older = copy.deepcopy(document)
            del older["components"]["schemas"]["io.chat4all.One"]["properties"][part]["properties"][name]
            found = await problem(older)
            assert found is not None, f"{part}.{name}"
            assert f"lacks {part}.{name}: kubectl apply --server-side" in found


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ClusterError("get", 404, "NotFound", "no such"), "does not know ChannelConnectors"),
        (ClusterError("get", 403, "Forbidden", "you may not"), "cannot be read: get: 403 Forbidden: you may not"),
        (UnreachableError("no answer in time"), "cannot be read: no answer in time"),
        ({}, "lacks spec.autoscaling"),
        ({"components": {"schemas": {"x": {}}}}, "lacks spec.autoscaling"),
    ],
)
async def test_what_cannot_be_known_is_a_problem(answer: dict[str, Any] | Exception, said: str) -> None:
    found = await problem(answer)
    assert found is not None
    assert said in found
