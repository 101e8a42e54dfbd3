"""The development loop's files: kind's and skaffold's configuration, and the engines that they bring."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hack.node import programs
from tests.e2e.cluster import CHART, Namespace, kubectl, run

ROOT = CHART.parents[1]
DEVSTACK = CHART.parent / "devstack"
GIB = 1 << 30


@pytest.fixture(scope="module")
def skaffold() -> Any:
    return yaml.safe_load((ROOT / "skaffold.yaml").read_text())


def test_kind_reads_its_configuration() -> None:
    """By kind's own module: strictly, with its defaults."""
    config = json.loads(run("kindconfig", str(ROOT / "kind-config.yaml")))
    [node] = config["nodes"]
    assert {(one["containerPort"], one["hostPort"]) for one in node["extraPortMappings"]} == {(80, 8080)}


def test_skaffold_has_what_its_schema_asks_for(skaffold: Any) -> None:
    schema = json.loads(programs.skaffold_schema().read_text())
    jsonschema_rs.validator_for(schema).validate(skaffold)
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validator_for(schema).validate({**skaffold, "builds": {}})


def test_what_skaffold_names_is_there(skaffold: Any) -> None:
    for release in skaffold["deploy"]["helm"]["releases"]:
        assert (ROOT / release["chartPath"] / "Chart.yaml").exists()
        assert all((ROOT / file).exists() for file in release.get("valuesFiles", ()))
    [artifact] = skaffold["build"]["artifacts"]
    for rule in artifact["sync"]["manual"]:
        assert list(ROOT.glob(rule["src"])), rule["src"]
        assert Path(rule["dest"]).is_relative_to("/opt/chat4all")


def rendered(chart: Path, *options: str) -> list[dict[str, Any]]:
    text = run("helm", "template", "chat4all", str(chart), "--namespace", "loop", *options)
    return [one for one in yaml.safe_load_all(text) if one]


def test_the_api_server_takes_the_engines_and_the_hub_on_them() -> None:
    namespace = Namespace("loop")
    hub = rendered(CHART, "--values", str(ROOT / "hack" / "skaffold" / "values.yaml"), "--no-hooks")
    documents = rendered(DEVSTACK) + hub
    kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts"),
        *("--namespace", namespace.name, "-f", "-"),
        given=yaml.safe_dump_all(documents),
    )
    secrets = {one["metadata"]["name"] for one in documents if one["kind"] == "Secret"}
    named = {
        volume["secret"]["secretName"]
        for one in hub
        if one["kind"] in ("Deployment", "Job")
        for volume in one["spec"]["template"]["spec"]["volumes"]
        if "secret" in volume
    }
    assert named <= secrets
    namespace.delete()


def test_all_engines_together_ask_for_four_cores_and_six_gib_at_most() -> None:
    units = {"Mi": 1 << 20, "Gi": GIB}
    cores = memory = 0.0
    for one in rendered(DEVSTACK):
        if one["kind"] == "StatefulSet":
            asked = one["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
            cpu = str(asked["cpu"])
            cores += float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1)
            memory += float(asked["memory"][:-2]) * units[asked["memory"][-2:]]
    assert cores <= 4
    assert memory <= 6 * GIB
