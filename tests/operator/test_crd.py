"""What the API server takes as a ChannelConnector and what it refuses; and that our own models say the same."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pydantic
import pytest
from hypothesis import given, settings
from tests.operator import generated
from tests.operator.cluster import Namespace, connector

import chat4all
from chat4all.channels.kit import registry
from chat4all.channels.kit.resource import ChannelConnector

EXAMPLES = 150
SOURCE = Path(chat4all.__file__).parent


@pytest.fixture(scope="module")
def path(namespaces: Callable[[], Namespace]) -> str:
    """Where these tests submit what is never stored."""
    return namespaces().path


def submitted(api: httpx.Client, path: str, resource: Any, validation: str = "Strict") -> httpx.Response:
    """What the API server says of a resource. It stores nothing."""
    return api.post(path, json=resource, params={"dryRun": "All", "fieldValidation": validation})


def modelled(resource: Any) -> dict[str, Any] | None:
    """The spec with its defaults, as our models have it; None: they refuse it."""
    try:
        found = ChannelConnector.model_validate(resource)
    except pydantic.ValidationError:
        return None
    return found.spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def numbers(value: Any) -> Any:
    """The same with every number as JSON has it: the server writes 5e16 as an integer, rounded to what a float says."""
    return json.loads(json.dumps(value), parse_int=float)


GOOD = [
    ("the least", connector()),
    ("a name of forty characters", connector("a" * 40)),
    ("a name of one character", connector("a")),
    ("every field", connector(
        state="Paused", config={"baseURL": "http://a", "deep": {"er": [1, None, "x"]}}, rateLimit={"perSecond": 0.5},
        senderLabel="Never", onUncertain="Hold", replicas=0, deletionPolicy="Retain",
        autoscaling={"minReplicas": 2, "maxReplicas": 2, "targetCPUPercent": 100},
    )),
    ("any channel that could be installed", connector(channel="pigeon-2")),
    ("a Secret's name with dots", connector(credentialsSecretRef={"name": "a.b-c.9"})),
    ("fifty members", connector(inbox={"members": ["ana"] * 50})),
    ("a member of 64 letters of any script", connector(inbox={"members": ["é" * 64, "😀" * 64]})),
    ("32 settings", connector(config={str(number): number for number in range(32)})),
    ("a setting that is null", connector(config={"mode": None})),
    ("null for a field with a default", {**connector(), "spec": {**connector()["spec"], "replicas": None}}),
    ("null for a field that may be left out", {**connector(), "spec": {**connector()["spec"], "rateLimit": None}}),
    ("a whole number with a fraction of nought", connector(autoscaling={"maxReplicas": 2, "targetCPUPercent": 50.0})),
]  # fmt: skip
NAME = "a name has at most 40 lower-case letters, digits and dashes"
BAD = [
    ("a name of 41", connector("a" * 41), NAME),
    ("a name that begins with a digit", connector("1a"), NAME),
    ("a name with a dot", connector("a.b"), NAME),
    ("a name that ends with a dash", connector("a-"), "metadata.name: Invalid value"),
    ("a name with a newline", connector("a\n"), "metadata.name: Invalid value"),
    ("no name", connector(""), "name or generateName is required"),
    ("no spec", {**connector(), "spec": None}, "spec: Required value"),
    ("an unknown field", {**connector(), "colour": "red"}, 'unknown field "colour"'),
    ("an unknown field of the spec", connector(colour="red"), 'unknown field "spec.colour"'),
    ("an unknown field that is null", connector(rateLimit={"perSecond": 1, "x": None}), "unknown field"),
    ("an unknown field of a part", connector(inbox={"members": ["ana"], "x": 1}), 'unknown field "spec.inbox.x"'),
    ("no channel", connector(channel=None), "spec.channel: Required value"),
    ("a channel with a space", connector(channel="tele gram"), "spec.channel in body should match"),
    ("a channel with a newline", connector(channel="telegram\n"), "spec.channel in body should match"),
    ("a channel of 32", connector(channel="a" * 32), "spec.channel: Too long"),
    ("another state", connector(state="Stopped"), 'supported values: "Running", "Paused"'),
    ("no Secret", connector(credentialsSecretRef=None), "spec.credentialsSecretRef: Required value"),
    ("a Secret without a name", connector(credentialsSecretRef={}), "spec.credentialsSecretRef.name: Required value"),
    ("a Secret's wrong name", connector(credentialsSecretRef={"name": "a..b"}), "credentialsSecretRef.name in body"),
    ("33 settings", connector(config={str(number): 1 for number in range(33)}), "spec.config: Too many: 33"),
    ("a list of settings", connector(config=[]), "spec.config in body must be of type object"),
    ("an inbox without anybody", connector(inbox={"members": []}), "spec.inbox.members in body should have at least 1"),
    ("51 members", connector(inbox={"members": ["ana"] * 51}), "spec.inbox.members: Too many: 51"),
    ("a member of 65", connector(inbox={"members": ["é" * 65]}), "spec.inbox.members[0]: Too long"),
    ("a member of none", connector(inbox={"members": [""]}), "spec.inbox.members[0] in body should be at least 1"),
    ("a member that is null", connector(inbox={"members": [None]}), "spec.inbox.members[0]"),
    ("a rate of nought", connector(rateLimit={"perSecond": 0}), "should be greater than 0"),
    ("a rate without a number", connector(rateLimit={}), "spec.rateLimit.perSecond: Required value"),
    ("a rate of 10,001", connector(rateLimit={"perSecond": 10_001}), "less than or equal to 10000"),
    ("a rate that is true", connector(rateLimit={"perSecond": True}), "must be of type number"),
    ("a word for a number", connector(replicas="1"), "spec.replicas in body must be of type integer"),
    ("true for a number", connector(replicas=True), "spec.replicas in body must be of type integer"),
    ("replicas with a fraction of nought", connector(replicas=1.0), "1 is of the type float64, expected int64"),
    ("less than no replicas", connector(replicas=-1), "spec.replicas in body should be greater than or equal to 0"),
    ("101 replicas", connector(replicas=101), "spec.replicas in body should be less than or equal to 100"),
    ("autoscaling without a bound", connector(autoscaling={}), "spec.autoscaling.maxReplicas: Required value"),
    ("autoscaling to nothing", connector(autoscaling={"minReplicas": 0, "maxReplicas": 1}), "minReplicas in body"),
    ("autoscaling to 101", connector(autoscaling={"maxReplicas": 101}), "spec.autoscaling.maxReplicas in body"),
    ("more at least than at most", connector(autoscaling={"minReplicas": 3, "maxReplicas": 2}),
     'spec.autoscaling.minReplicas: Invalid value: "object": minReplicas has to be at most maxReplicas.'),
    ("CPU of nought", connector(autoscaling={"maxReplicas": 2, "targetCPUPercent": 0}), "targetCPUPercent in body"),
    ("another policy", connector(deletionPolicy="Keep"), 'supported values: "Unregister", "Retain"'),
]  # fmt: skip


@pytest.mark.parametrize("case", GOOD, ids=[one[0] for one in GOOD])
def test_what_is_right_is_taken_with_its_defaults(api: httpx.Client, path: str, case: tuple[str, Any]) -> None:
    answer = submitted(api, path, case[1])
    assert answer.status_code == 201, answer.text
    assert answer.json()["spec"] == modelled(case[1])


@pytest.mark.parametrize("case", BAD, ids=[one[0] for one in BAD])
def test_what_is_wrong_is_refused_and_named(api: httpx.Client, path: str, case: tuple[str, Any, str]) -> None:
    answer = submitted(api, path, case[1])
    assert answer.status_code in {400, 422}
    assert case[2] in answer.json()["message"]
    assert modelled(case[1]) is None


@pytest.mark.parametrize("name", [*registry.installed()])
def test_every_channel_s_example_is_taken(namespace: Namespace, name: str) -> None:
    example = SOURCE / "channels" / name / "example.yaml"
    said = namespace.kubectl("create", "--validate=strict", f"--filename={example}")
    assert "channelconnector.chat4all.io/" in said
    assert "secret/" in said


def test_defaults(api: httpx.Client, path: str) -> None:
    spec = submitted(api, path, connector(autoscaling={"maxReplicas": 4})).json()["spec"]
    assert {field: spec[field] for field in spec.keys() - connector()["spec"].keys()} == {
        "state": "Running",
        "config": {},
        "senderLabel": "Auto",
        "onUncertain": "Resend",
        "replicas": 1,
        "autoscaling": {"minReplicas": 1, "maxReplicas": 4, "targetCPUPercent": 70},
        "deletionPolicy": "Unregister",
    }


def test_who_asks_for_no_strictness_gets_warnings_and_what_is_known(api: httpx.Client, path: str) -> None:
    given = connector(colour="red", config={"colour": "red"}, inbox={"members": ["ana"], "x": 1})
    answer = submitted(api, path, given, "Warn")
    assert answer.status_code == 201
    assert 'unknown field \\"spec.colour\\"' in answer.headers["Warning"]
    assert answer.json()["spec"] == modelled(connector(config={"colour": "red"}))


def test_the_models_say_what_the_api_server_says(api: httpx.Client, path: str) -> None:
    seen: Counter[bool] = Counter()

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None)
    @given(resource=generated.resources())
    def holds(resource: dict[str, Any]) -> None:
        answer, spec = submitted(api, path, resource), modelled(resource)
        assert answer.status_code in {201, 400, 422}, answer.text
        assert (answer.status_code == 201) is (spec is not None), answer.text
        assert spec is None or numbers(answer.json()["spec"]) == numbers(spec)
        seen[spec is not None] += 1

    holds()
    assert min(seen[True], seen[False]) >= EXAMPLES / 5, seen
