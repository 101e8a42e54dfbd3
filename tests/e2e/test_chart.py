"""The chart as text: its own tests, what every file in ci/ renders, held against the real API server, and its pages."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hack.chart import schema
from tests.e2e.cluster import CHART, CommandError, Namespace, apply, kubectl, run

from chat4all.processes.config import Settings, described

ALERTS = Path(__file__).parent / "alerts"
BASE = CHART / "ci" / "base.yaml"
SITUATIONS = sorted(one.name for one in (CHART / "ci").glob("*-values.yaml"))


def rendered(*files: Path, release: str = "c4a", given: str = "{}", namespace: str = "chat") -> list[dict[str, Any]]:
    """What the chart renders, hooks too."""
    options = [option for file in (BASE, *files) for option in ("--values", str(file))]
    text = run(
        "helm", "template", release, str(CHART), "--namespace", namespace, *options, "--values", "-", given=given
    )
    return [one for one in yaml.safe_load_all(text) if one]


def pods(documents: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The spec of every pod, those of connectors too."""
    for one in documents:
        if one["kind"] == "Pod":
            yield one["spec"]
        elif "template" in one.get("spec", {}):
            yield one["spec"]["template"]["spec"]
        elif one["kind"] == "ConfigMap":
            yield yaml.safe_load(one["data"]["template.yaml"])["spec"]


def test_its_own_tests_pass() -> None:
    said = run("helm-unittest", "--strict", str(CHART))
    assert "0 failed" not in said.split("Tests:")[0] or " passed" in said


def test_alarms_ring_when_they_should_and_are_silent_else(tmp_path: Path) -> None:
    documents = rendered(given=json.dumps({"prometheusRule": {"enabled": True}}))
    [rule] = [one for one in documents if one["kind"] == "PrometheusRule"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
    (tmp_path / "operator.yaml").write_text((ALERTS / "operator.yaml").read_text())
    run("promtool", "check", "rules", str(tmp_path / "rules.yaml"))
    run("promtool", "test", "rules", str(tmp_path / "operator.yaml"))
    runbooks = (CHART.parents[1] / "docs" / "operator.md").read_text()
    for group in rule["spec"]["groups"]:
        for one in group["rules"]:
            assert f"### {one['alert']}" in runbooks


@pytest.mark.parametrize("situation", SITUATIONS)
def test_it_is_linted(situation: str) -> None:
    run("helm", "lint", "--strict", str(CHART), "--values", str(BASE), "--values", str(CHART / "ci" / situation))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_api_server_takes_all_of_it(situation: str) -> None:
    """A dry run on the server: schemas, defaults, admission, the restricted level, everything but the storing."""
    namespace = Namespace("chart")
    documents = rendered(CHART / "ci" / situation, namespace=namespace.name)
    # Pods, as that of helm test, are looked at with what they name.
    priority = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "chat"},
        "value": 1000,
    }
    apply(priority, *(one for one in documents if one["kind"] == "ServiceAccount"))
    text = yaml.safe_dump_all(documents)
    strictly = ("--dry-run=server", "--validate=strict", "--warnings-as-errors", "--force-conflicts")
    said = kubectl("apply", "--server-side", *strictly, "-f", "-", given=text)
    assert said.count("serverside-applied (server dry run)") == len(documents)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_pod_is_like_the_others(situation: str) -> None:
    found = list(pods(rendered(CHART / "ci" / situation)))
    assert len(found) >= 6
    for pod in found:
        assert pod["enableServiceLinks"] is False, "case A11"
        talks = pod["containers"][0]["name"] in {"operator", "uninstall"}  # to Kubernetes
        assert pod["automountServiceAccountToken"] is talks
        assert not [mount for mount in pod["containers"][0]["volumeMounts"] if "subPath" in mount]
        secrets = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
        assert all(secret["optional"] for secret in secrets)


@pytest.mark.parametrize("release", ["c4a", "chat4all", "chat4all-api", "c" * 53, f"{'c' * 44}-chat4all"])
def test_names_fit_whatever_the_release_is_called(release: str) -> None:
    documents = rendered(CHART / "ci" / "autoscaling-values.yaml", release=release)
    names = [(one["kind"], one["metadata"]["name"]) for one in documents]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for _, name in names)
    labels = [value for one in documents for value in one["metadata"].get("labels", {}).values()]
    assert all(len(value) <= 63 for value in labels)


def value_at(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values["properties"][part]
    return values


def test_every_setting_can_be_set() -> None:
    """docs/settings.md against the values: each has a place in `settings`, or a value of its own, or is the chart's."""
    allowed = schema.schema()
    for one in described(Settings.model_construct()):
        _, section, name = one.variable.lower().replace("chat4all_", "chat4all__").split("__")
        own = schema.OWN.get(f"{section}.{name}")
        if own is None:
            assert schema.camel(name) in value_at(allowed, f"settings.{section}")["properties"], one.variable
        elif own:
            assert value_at(allowed, own), one.variable


def test_every_setting_arrives() -> None:
    """Each that is in `settings`, at another value than its default, is in the environment of some pod as it was."""
    samples: dict[str, dict[str, Any]] = {}
    wanted = {}
    for section, properties in value_at(schema.schema(), "settings")["properties"].items():
        for name, about in properties["properties"].items():
            samples.setdefault(section, {})[name] = sample = sampled(about)
            variable = "".join(f"_{c}" if c.isupper() else c for c in name).upper()
            wanted[f"CHAT4ALL_{section.upper()}__{variable}"] = sample
    given = json.dumps({"settings": samples, "simulator": {"enabled": True}})
    environment = itertools.chain.from_iterable(
        container.get("env", ()) for pod in pods(rendered(given=given)) for container in pod["containers"]
    )
    found = {one["name"]: one["value"] for one in environment if "value" in one}
    as_text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in wanted.items()}
    assert {name: found.get(name) for name in as_text} == as_text
    assert len(as_text) > 40


SAMPLES = ("chat4all", "http://collector:4318", "ERROR", "QUORUM")


def sampled(about: Mapping[str, Any]) -> Any:
    kind = about["type"]
    if "enum" in about:
        return about["enum"][-1]
    if kind == "boolean":
        return True
    if kind in ("integer", "number"):
        return min(about.get("maximum", 1_048_577), max(about.get("minimum", 1), 1_048_577))
    if "pattern" in about:
        return next(one for one in SAMPLES if re.search(about["pattern"], one))
    return ["x"] if kind == "array" else "x"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": 3}, "replicas"),
        ({"kafka": {"server": "x:1"}}, "server"),
        ({"api": {"replicas": "two"}}, "replicas"),
        ({"accounts": {"registration": "everybody"}}, "registration"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"api": {"resources": {"request": {}}}}, "request"),
        ({"settings": {"kafka": {"requestSeconds": 31}}}, "requestSeconds"),
    ],
)
def test_what_it_does_not_know_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        rendered(given=json.dumps(values))


def test_its_page_is_what_helm_docs_makes_of_it() -> None:
    made = run("helm-docs", "--chart-search-root", str(CHART), "--dry-run", "--log-level", "error")
    assert (CHART / "README.md").read_text().strip() == made.strip(), "run make chart-docs"
