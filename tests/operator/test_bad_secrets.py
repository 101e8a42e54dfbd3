"""A Secret that does not hold what a channel needs: which key, what to type, and Ready again by itself."""

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.operator.cluster import connector
from tests.operator.pods import tells
from tests.operator.processes import conditions, credentials, until
from tests.operator.stage import Stage, staged

TOKEN = "123456:abcdefghijklmnopqrstuvwxyzabcdefghi"
TYPE = "chat4all.io/credentials"


class Bad(NamedTuple):
    """A Secret, or none, and what is said of it."""

    secret: dict[str, Any] | None
    reason: str
    says: tuple[str, ...]


def secret(data: dict[str, bytes], kind: str = TYPE) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {}, "data": encoded}


GOOD = {"botToken": TOKEN.encode()}
BAD = {
    "missing": Bad(None, "SecretMissing", ("keys-missing", f"--type={TYPE}", "--from-literal=botToken=")),
    "lacking": Bad(secret({"webhookSecret": b"abc"}), "SecretLacksKey", ("keys-lacking", "botToken")),
    "opaque": Bad(secret(GOOD, "Opaque"), "SecretWrongType", ("keys-opaque", "Opaque", f"--type={TYPE}", "delete")),
    "empty": Bad(secret({"botToken": b""}), "SecretInvalid", ("keys-empty", "botToken", "empty")),
    "bytes": Bad(secret({"botToken": b"\xff\xfe\x00"}), "SecretInvalid", ("keys-bytes", "botToken", "UTF-8")),
    "formless": Bad(secret({"botToken": b"hunter2-hunter2"}), "SecretInvalid", ("keys-formless", "botToken")),
}


@pytest.fixture(scope="module")
def stage(namespaces, hub, tmp_path_factory) -> Iterator[Stage]:
    with staged(Stage(namespaces(), hub, tmp_path_factory.mktemp("operator"))) as made:
        yield made
        assert "hunter2" not in made.operator.log()


@pytest.mark.parametrize("name", BAD)
def test_a_secret_that_is_not_enough_says_what_to_do_and_is_enough_as_soon_as_it_is(stage: Stage, name: str) -> None:
    bad, keys = BAD[name], f"keys-{name}"
    if bad.secret is not None:
        stage.namespace.create({**bad.secret, "metadata": {"name": keys}})
    stage.create(connector(name, credentialsSecretRef={"name": keys}))
    found = stage.becomes(name, "CredentialsResolved", "False", bad.reason)
    for words in bad.says:
        assert words in found["message"]
    assert "hunter2" not in json.dumps([stage.get(name), stage.events(name)])
    shown = conditions(stage.get(name))
    assert shown["Accepted"] == ("True", "Accepted")
    assert (shown["Ready"], shown["Stalled"]) == (("False", bad.reason), ("True", bad.reason))
    assert stage.is_told(name, "Warning", bad.reason) == found["message"]
    stage.resyncs()
    assert stage.child("deployment", name) is None, "without its keys a pod could not start"
    if bad.secret is not None:
        stage.namespace.kubectl("delete", "secret", keys)
    stage.namespace.create({**secret(GOOD), "metadata": {"name": keys}})
    stage.becomes(name, "CredentialsResolved", "True", "Resolved")
    until("its pods are made", lambda: stage.child("deployment", name))
    until("nobody has to do anything", lambda: "Stalled" not in conditions(stage.get(name)))


def test_a_secret_that_goes_takes_no_pod_with_it_and_all_is_well_when_it_is_back(stage: Stage) -> None:
    stage.secret()
    uid = stage.create(connector())
    stage.runs("support")
    tells(stage.hub, uid)
    stage.becomes("support", "Ready", "True", "Ready")
    pods, revision = stage.run("support"), stage.child("deployment")["metadata"]["generation"]
    stage.namespace.kubectl("delete", "secret", "keys")
    stage.becomes("support", "Ready", "False", "SecretMissing")
    stage.namespace.create({**secret({"botToken": b""}), "metadata": {"name": "keys"}})
    stage.becomes("support", "Ready", "False", "SecretInvalid")
    stage.patch("secret", "keys", {"stringData": credentials()["stringData"]})
    stage.becomes("support", "Ready", "True", "Ready")
    stage.resyncs()
    assert stage.run("support") == pods
    assert stage.child("deployment")["metadata"]["generation"] == revision
