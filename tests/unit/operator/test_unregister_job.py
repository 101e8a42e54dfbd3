"""The Job that tells a provider where no pod of the connector can."""

from typing import Any

import pytest
from tests.unit.operator import objects
from tests.unit.operator.life import Life
from tests.unit.operator.situations import working

from chat4all_operator.kinds import DEPLOYMENT


@pytest.fixture
def life() -> Life:
    """A connector without pods that is being deleted."""
    made = working(template=objects.template(livenessProbe={"httpGet": {"path": "/livez", "port": "operations"}}))
    assert made.row is not None
    made.row = made.row._replace(account="123456", reports=())
    made.child(DEPLOYMENT)["status"] = {}
    made.delete()
    made.settle()
    return made


def pod(life: Life) -> Any:
    return life.children[life.job]["spec"]["template"]


def test_it_outlives_the_connector_and_ends_by_itself(life: Life) -> None:
    job = life.children[life.job]
    assert "ownerReferences" not in job["metadata"]
    assert job["metadata"]["labels"]["chat4all.io/connector-uid"] == objects.UID
    assert job["spec"]["activeDeadlineSeconds"] == 60
    assert 0 < job["spec"]["ttlSecondsAfterFinished"] <= 3600
    assert job["spec"]["backoffLimit"] == 0
    assert pod(life)["spec"]["restartPolicy"] == "Never"


def test_it_ends_before_it_is_ended(life: Life) -> None:
    (container,) = pod(life)["spec"]["containers"]
    command, option, seconds = container["args"]
    assert (command, option) == ("unregister", "--seconds")
    assert 0 < int(seconds) < life.children[life.job]["spec"]["activeDeadlineSeconds"]


def test_its_pod_is_the_connector_s_but_serves_nobody(life: Life) -> None:
    (container,) = pod(life)["spec"]["containers"]
    (connector,) = life.child(DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    same = ("image", "env", "resources", "volumeMounts")
    assert {name: container[name] for name in same} == {name: connector[name] for name in same}
    assert not {"ports", "readinessProbe", "livenessProbe", "startupProbe", "lifecycle"} & set(container)
    source = {one["name"]: one for one in pod(life)["spec"]["volumes"]}["credentials"]["secret"]
    assert source["secretName"] == "keys"


def test_its_pod_is_none_of_the_connector_s(life: Life) -> None:
    """Neither its Deployment nor its Service take it for one of theirs."""
    selected = life.child(DEPLOYMENT)["spec"]["selector"]["matchLabels"].items()
    assert not selected <= pod(life)["metadata"]["labels"].items()
