"""Case A7: the definition in the cluster is older than the operator. It says so, and with which line that is mended."""

import shutil
from pathlib import Path

import pytest
import yaml
from tests.e2e.cluster import CHART, Release, run, until

CRDS = CHART.parents[1] / "k8s" / "crds"
LINE = "kubectl apply --server-side --force-conflicts -f k8s/crds/"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The chart with a definition that lacks a field of the status, and one of the spec."""
    chart = tmp_path / "chat4all"
    shutil.copytree(CHART, chart)
    [file] = (chart / "files" / "crds").glob("*.yaml")
    definition = yaml.safe_load(file.read_text())
    properties = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    del properties["status"]["properties"]["connectorId"]
    del properties["spec"]["properties"]["senderLabel"]
    file.write_text(yaml.safe_dump(definition))
    return chart


def says(release: Release, what: str) -> bool:
    return what in release.namespace.kubectl("logs", f"deployment/{release.fullname}-operator", "--tail=50")


def works(release: Release) -> bool:
    return release.namespace.ready("operator") == 1


def connector_id(release: Release) -> str:
    found: str = release.namespace.get("chconn", "support")["status"].get("connectorId", "")
    return found


def test_a7_an_older_definition_is_named_and_mended(release: Release, phone: str, older: Path) -> None:
    namespace = release.namespace
    before = namespace.get("chconn", "support")["metadata"]["uid"]
    release.helm("upgrade", "--install", chart=older)
    until("the operator is not ready", lambda: not works(release))
    assert says(release, f"lacks spec.senderLabel, status.connectorId: {LINE}")

    release.install()
    until("the new definition is served first, and it works", lambda: works(release))
    until("the new field is written", lambda: connector_id(release) == f"{namespace.name}.support")
    namespace.kubectl("patch", "chconn", "support", "--type=merge", "-p", '{"spec": {"senderLabel": "Always"}}')

    history = run("helm", "history", release.name, "-n", namespace.name).splitlines()
    run("helm", "rollback", release.name, history[-2].split()[0], "-n", namespace.name)
    until("the rolled back definition is noticed", lambda: not works(release))
    release.helm("upgrade", "--install", "--set", "crds.enabled=false")
    assert not works(release), "the definition stays the old one where the chart is told to leave it"
    run("kubectl", "apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    until("the line was enough", lambda: works(release))
    release.install()
    until("the new field is written again", lambda: connector_id(release) == f"{namespace.name}.support")
    assert namespace.get("chconn", "support")["metadata"]["uid"] == before, "no resource was deleted"
    namespace.kubectl("patch", "chconn", "support", "--type=merge", "-p", '{"spec": {"senderLabel": "Auto"}}')
    namespace.kubectl("wait", "--for=condition=Ready", "chconn/support", "--timeout=240s")
