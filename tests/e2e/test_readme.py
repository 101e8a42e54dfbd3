"""What the README says a person types on Kubernetes is what is typed here, as it stands."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from tests.e2e.cluster import CHART, Namespace, Release, merged, run, until
from tests.e2e.conftest import values

from chat4all_devtools.stack.stack import Stack

ROOT = CHART.parents[1]


def commands() -> str:
    """The shell block of the README's section."""
    section = (ROOT / "README.md").read_text().partition("## On Kubernetes")[2].partition("\n## ")[0]
    [block] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return str(block)


def secrets_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of the example's values, the names of Secrets alone: its engines are not these."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found[key] = secrets_of(value)
        elif key == "existingSecret":
            found[key] = value
    return found


def test_the_readme_s_commands_install_it(release: Release, engines: Stack, tmp_path: Path) -> None:
    """With the example's Secrets and these engines, beside another release, which has the definitions."""
    _ = release
    example = yaml.safe_load((CHART / "ci" / "base.yaml").read_text())
    own = merged(values(engines), {"crds": {"enabled": False}, "ingress": {"enabled": False}})
    own = merged(own, secrets_of(example))
    (tmp_path / "values.yaml").write_text(json.dumps(own))
    (tmp_path / "charts").symlink_to(CHART.parent)
    for name, engine in (("directory", "postgresql"), ("redis", "redis"), ("files", "minio")):
        (tmp_path / f"{name}-password.txt").write_text(engines[engine].password.read_text())
    said = run("bash", "-ec", f"exec 2>&1\ncd {tmp_path}\n{commands()}")
    namespace = Namespace("chat")
    assert "Phase:          Succeeded" in said
    until("all are ready", lambda: all(namespace.ready(role, "chat4all") == 2 for role in ("api", "gateway", "router")))
    run("helm", "uninstall", "chat4all", "-n", "chat")
    namespace.delete()
