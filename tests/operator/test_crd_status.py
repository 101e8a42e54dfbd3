"""What may stand in a ChannelConnector's status, and what is there before anybody has written one."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.operator.cluster import Namespace, connector

PENDING = {
    "type": "Ready",
    "status": "Unknown",
    "reason": "Pending",
    "message": "Waiting for the operator.",
    "lastTransitionTime": "1970-01-01T00:00:00Z",
}
TYPES = (
    *("Accepted", "CredentialsResolved", "Available", "Authenticated"),
    *("Registered", "RateLimited", "Stalled", "Ready"),
)


def condition(**changed: Any) -> dict[str, Any]:
    """A condition; None leaves a field out."""
    made = {**PENDING, "status": "True", "reason": "Connected", "message": "", **changed}
    return {name: value for name, value in made.items() if value is not None}


def written(api: httpx.Client, namespace: Namespace, status: Any) -> httpx.Response:
    """What the API server says when the operator writes this status of the connector called support."""
    path = f"{namespace.path}/support"
    return api.put(
        f"{path}/status", json={**api.get(path).json(), "status": status}, params={"fieldValidation": "Strict"}
    )


GOOD = [
    ("nothing", {}),
    ("everything", {
        "observedGeneration": 2**53, "account": "a" * 256, "replicas": 3, "selector": "a=b", "endpoint": "http://a/b",
        "connectorId": f"{'n' * 63}.{'a' * 40}", "conditions": [
            condition(type=one, message="m" * 1024, observedGeneration=2) for one in TYPES
        ],
    }),
    ("each status", {"conditions": [
        condition(type=kind, status=one)
        for kind, one in zip(("Ready", "Accepted", "Stalled"), ("True", "False", "Unknown"), strict=True)
    ]}),
    ("the longest reason", {"conditions": [condition(reason="A" * 64)]}),
]  # fmt: skip
BAD = [
    ("an unknown field", {"phase": "Running"}, 'unknown field "status.phase"'),
    ("an unknown field of a condition", {"conditions": [condition(x=1)]}, 'unknown field "status.conditions[0].x"'),
    ("an unknown type", {"conditions": [condition(type="Happy")]}, "status.conditions[0].type: Unsupported value"),
    ("another status", {"conditions": [condition(status="Yes")]}, "status.conditions[0].status: Unsupported value"),
    ("a status that is true", {"conditions": [condition(status=True)]}, "conditions[0].status in body must be of type"),
    ("no reason", {"conditions": [condition(reason=None)]}, "status.conditions[0].reason: Required value"),
    ("an empty reason", {"conditions": [condition(reason="")]}, 'conditions[0].reason: Invalid value: ""'),
    ("a reason of two words", {"conditions": [condition(reason="Not yet")]}, "reason in body should match"),
    ("a reason in lower case", {"conditions": [condition(reason="pending")]}, "reason in body should match"),
    ("a reason of 65", {"conditions": [condition(reason="A" * 65)]}, "status.conditions[0].reason: Too long"),
    ("no message", {"conditions": [condition(message=None)]}, "status.conditions[0].message: Required value"),
    ("a message of 1025", {"conditions": [condition(message="m" * 1025)]}, "status.conditions[0].message: Too long"),
    ("no time", {"conditions": [condition(lastTransitionTime=None)]}, "lastTransitionTime: Required value"),
    ("a time that is none", {"conditions": [condition(lastTransitionTime="now")]}, "lastTransitionTime in body must"),
    ("a type twice", {"conditions": [condition(), condition()]}, "status.conditions[1]: Duplicate value"),
    ("17 conditions", {"conditions": [condition(type="Ready")] * 17}, "status.conditions: Too many: 17"),
    ("an account of 257", {"account": "a" * 257}, "status.account: Too long"),
    ("an endpoint of 513", {"endpoint": "a" * 513}, "status.endpoint: Too long"),
    ("a selector of 513", {"selector": "a" * 513}, "status.selector: Too long"),
    ("an id of 129", {"connectorId": "a" * 129}, "status.connectorId: Too long"),
    ("less than no replicas", {"replicas": -1}, "status.replicas: Invalid value: -1"),
    ("a generation that is a word", {"observedGeneration": "1"}, "observedGeneration in body must be of type"),
]  # fmt: skip


@pytest.fixture(scope="module")
def settled(namespaces: Callable[[], Namespace]) -> Namespace:
    """A namespace with a connector called support."""
    namespace = namespaces()
    namespace.create(connector())
    return namespace


def test_what_was_only_created_says_that_it_waits_for_the_operator(namespace: Namespace) -> None:
    namespace.create(connector())
    assert namespace.get("chconn", "support")["status"] == {"conditions": [PENDING]}
    assert [one["status"] for one in namespace.get("chconn")] == [{"conditions": [PENDING]}]
    namespace.kubectl("wait", "--for=condition=Ready=Unknown", "chconn/support", "--timeout=30s")


def test_whoever_creates_or_changes_it_writes_no_status(namespace: Namespace, api: httpx.Client) -> None:
    namespace.create({**connector(), "status": {"account": "me"}})
    found = api.get(f"{namespace.path}/support").json()
    assert found["status"] == {"conditions": [PENDING]}
    changed = {**found, "spec": {**found["spec"], "replicas": 2}, "status": {"account": "me"}}
    answer = api.put(f"{namespace.path}/support", json=changed).json()
    assert (answer["spec"]["replicas"], answer["status"]) == (2, {"conditions": [PENDING]})


def test_a_status_changes_no_generation_and_a_spec_does(namespace: Namespace, api: httpx.Client) -> None:
    namespace.create(connector())
    assert written(api, namespace, {"account": "me"}).json()["metadata"]["generation"] == 1
    namespace.kubectl("patch", "chconn", "support", "--type=merge", "--patch", '{"spec": {"state": "Paused"}}')
    assert namespace.get("chconn", "support")["metadata"]["generation"] == 2


@pytest.mark.parametrize("case", GOOD, ids=[one[0] for one in GOOD])
def test_what_is_right_is_kept_as_it_is(api: httpx.Client, settled: Namespace, case: tuple[str, Any]) -> None:
    answer = written(api, settled, case[1])
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == case[1]


@pytest.mark.parametrize("case", BAD, ids=[one[0] for one in BAD])
def test_what_is_wrong_is_refused(api: httpx.Client, settled: Namespace, case: tuple[str, Any, str]) -> None:
    answer = written(api, settled, case[1])
    assert answer.status_code in {400, 422}
    assert case[2] in answer.json()["message"]
