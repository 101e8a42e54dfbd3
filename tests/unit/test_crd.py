"""The resource's definition and what reads it here say the same: which fields there are, and what each may hold."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pydantic
import pytest
import yaml

from chat4all.channels.kit.resource import ChannelConnector, Spec

FILE: Final = Path(__file__).parents[2] / "k8s" / "crds" / "channelconnector.yaml"
BOUNDS: Final = (
    "type",
    "pattern",
    "enum",
    "default",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
)


@pytest.fixture(scope="module")
def definition() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(FILE.read_text())
    (version,) = found["spec"]["versions"]
    schema: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def fields(schema: Mapping[str, Any], defs: Mapping[str, Any], path: str = "spec") -> Iterator[tuple[str, Any]]:
    """Every field by its path, with what bounds it and whether it must be there."""
    for name, raw in schema.get("properties", {}).items():
        field = resolved(raw, defs)
        place = f"{path}.{name}"
        bounds = {bound: field[bound] for bound in BOUNDS if field.get(bound) is not None}
        if isinstance(field.get("exclusiveMinimum"), int | float) and field["exclusiveMinimum"] is not True:
            bounds["minimum"] = field["exclusiveMinimum"]  # a flag beside minimum in OpenAPI 3.0, a number elsewhere
        if "items" in field:
            bounds["items"] = {bound: field["items"][bound] for bound in BOUNDS if bound in field["items"]}
        yield place, (bounds, name in schema.get("required", ()))
        yield from fields(field, defs, place)


def resolved(field: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The field's own schema, where the model says that it may be missing or stands elsewhere."""
    (one,) = [each for each in field.get("anyOf", [field]) if each.get("type") != "null"]
    found: Mapping[str, Any] = defs[one["$ref"].rpartition("/")[2]] if "$ref" in one else one
    return found


def test_both_have_the_same_fields_with_the_same_bounds(definition: Mapping[str, Any]) -> None:
    model = Spec.model_json_schema(by_alias=True)
    assert dict(fields(definition["properties"]["spec"], {})) == dict(fields(model, model["$defs"]))


def resource(**spec: Any) -> dict[str, Any]:
    usual = {"channel": "telegram", "credentialsSecretRef": {"name": "keys"}, "inbox": {"members": ["ana"]}}
    kept = {name: value for name, value in {**usual, **spec}.items() if value is not None}
    return {
        "apiVersion": "chat4all.io/v1alpha1",
        "kind": "ChannelConnector",
        "metadata": {"name": "support"},
        "spec": kept,
    }


CASES = [
    ("the least", resource(), True),
    ("the most", resource(state="Paused", config={"a": {"b": 1}}, rateLimit={"perSecond": 0.5}, replicas=0), True),
    ("autoscaling", resource(autoscaling={"maxReplicas": 4}), True),
    ("no channel", resource(channel=None), False),
    ("a channel with a space", resource(channel="tele gram"), False),
    ("another state", resource(state="Stopped"), False),
    ("an inbox without anybody", resource(inbox={"members": []}), False),
    ("a rate of nought", resource(rateLimit={"perSecond": 0}), False),
    ("a rate without a number", resource(rateLimit={}), False),
    ("less than no replicas", resource(replicas=-1), False),
    ("a Secret without a name", resource(credentialsSecretRef={"name": ""}), False),
    ("a word for a number", resource(replicas="one"), False),
]


@pytest.mark.parametrize("case", CASES, ids=[one[0] for one in CASES])
def test_both_take_and_refuse_the_same(definition: Mapping[str, Any], case: tuple[str, dict[str, Any], bool]) -> None:
    _, given, right = case
    # Draft 4 is what OpenAPI 3.0 was made from: exclusiveMinimum is a flag there.
    assert jsonschema_rs.Draft4Validator(dict(definition)).is_valid(given) is right
    try:
        ChannelConnector.model_validate(given)
    except pydantic.ValidationError:
        assert not right
    else:
        assert right
