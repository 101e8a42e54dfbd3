"""The resource's definition and what reads it here say the same: which fields there are, and what each may hold."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pydantic
import pytest
import yaml

from chat4all.channels.kit.resource import MAX_CONFIG_BYTES, ChannelConnector, Secret, Spec, config_bytes

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


def schemas(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every field, at any depth, and what lists have in them; by its path."""
    inner = {**schema.get("properties", {}), **({"[]": schema["items"]} if "items" in schema else {})}
    for name, field in inner.items():
        yield f"{path}.{name}", field
        yield from schemas(field, f"{path}.{name}")


def unbounded(field: Mapping[str, Any]) -> bool:
    match field["type"]:
        case "string":
            return not field.keys() & {"enum", "maxLength"}
        case "array":
            return "maxItems" not in field
        case "object":
            return "properties" not in field and "maxProperties" not in field
        case _:
            return "minimum" not in field


def test_every_field_is_described_in_a_sentence_and_bounded(definition: Mapping[str, Any]) -> None:
    found = dict(schemas(definition))
    assert len(found) > 30
    # Of metadata only the name may be spoken of; the rest is Kubernetes' own.
    assert [one for one, field in found.items() if not field.get("description", "").endswith(".")] == [".metadata"]
    assert [one for one, field in found.items() if unbounded(field)] == []


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
    ("a number as a word", resource(replicas="1"), False),
    ("true for a number", resource(replicas=True), False),
    ("33 settings", resource(config={str(number): 1 for number in range(33)}), False),
    ("a Secret's name in capitals", resource(credentialsSecretRef={"name": "Keys"}), False),
    ("a Secret's name with dots", resource(credentialsSecretRef={"name": "keys.of.it"}), True),
    ("a percentage of nought", resource(autoscaling={"maxReplicas": 4, "targetCPUPercent": 0}), False),
    ("101 pods", resource(autoscaling={"maxReplicas": 101}), False),
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


def metadata(**given: Any) -> dict[str, Any]:
    return {**resource(), "metadata": {"name": "support", **given}}


# What a JSON schema does not say: tests/operator/test_crd.py has the API server's word for most of it.
MODELLED = [
    ("the longest namespace", metadata(namespace="n" * 63), True),
    ("a namespace of digits", metadata(namespace="1-2"), True),
    ("a longer namespace", metadata(namespace="n" * 64), False),
    ("a namespace with a dot", metadata(namespace="a.b"), False),
    ("a namespace with a newline", metadata(namespace="a\n"), False),
    ("the longest name", metadata(name="a" * 40), True),
    ("a longer name", metadata(name="a" * 41), False),
    ("a name with a newline", metadata(name="a\n"), False),
    ("labels that are null", metadata(labels=None), True),
    ("more at least than at most", resource(autoscaling={"minReplicas": 3, "maxReplicas": 2}), False),
    ("replicas with a fraction of nought", resource(replicas=1.0), False),
    ("a setting that no JSON has", resource(config={"a": float("nan")}), False),
    ("settings that are no JSON", resource(config={"a": {1, 2}}), False),
]


@pytest.mark.parametrize("case", MODELLED, ids=[one[0] for one in MODELLED])
def test_what_the_model_takes_and_refuses(case: tuple[str, dict[str, Any], bool]) -> None:
    _, given, right = case
    try:
        ChannelConnector.model_validate(given)
    except pydantic.ValidationError:
        assert not right
    else:
        assert right


def test_a_secret_may_have_any_name_that_a_connector_can_ask_for() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "2.keys"}, "stringData": {"a": "b"}}
    assert Secret.model_validate(secret).metadata.name == "2.keys"


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ({}, 2),
        ({"b": 1, "a": [True, None]}, len('{"a":[true,null],"b":1}')),
        ({"a": "é€😀"}, 8 + 2 + 3 + 4),
        ({"a": "\ud800"}, 8 + 3),
        ({"a": "x" * (MAX_CONFIG_BYTES - 8)}, MAX_CONFIG_BYTES),
    ],
)
def test_a_config_is_as_long_as_its_canonical_json(config: dict[str, Any], size: int) -> None:
    assert config_bytes(config) == size
