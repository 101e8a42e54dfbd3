"""What the README says a person types on Kubernetes is what is typed here, as it stands."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from tests.e2e.cluster import CHART, Namespace, Release, merged, run, until
from tests.e2e.conftest import values

from chat4all_devtools.stack.stack import Stack

ROOT = CHART.parents[1]


def commands() -> str:
    """The shell block of the README's section."""
    section = (ROOT / "README.md").read_text().partition("## On Kubernetes")[2].partition("\n## ")[0]
    [block] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return str(block)


def test_the_readme_s_commands_install_it(
    release: Release, engines: Stack, prepared: Callable[[str], Namespace], tmp_path: Path
) -> None:
    """With a values file for these engines, beside another release: that one has the definitions."""
    own = merged(values(engines), {"crds": {"enabled": False}, "ingress": {"enabled": False}})
    for name in ("signing-keys", "public-keys", "internal", "admin", "probe"):
        key = {"signing-keys": "signingKeys", "public-keys": "publicKeys"}.get(name, name)
        secret = {key: {"existingSecret": f"chat4all-{name}"}}
        own = merged(own, {"accounts": secret} if key.endswith("Keys") else secret)
    (tmp_path / "values.yaml").write_text(json.dumps(own))
    (tmp_path / "charts").symlink_to(CHART.parent)
    namespace = Namespace("chat")
    for name, engine in (("sql", "postgresql"), ("redis", "redis"), ("s3", "minio")):
        namespace.secret(name, password=engines[engine].password.read_text())
    typed = commands().replace(
        "kubectl create namespace chat", "kubectl get namespace chat"
    )  # it has the engines' Secrets
    said = run("bash", "-ec", f"cd {tmp_path}\n{typed} 2>&1")
    assert "Phase:          Succeeded" in said
    until("all are ready", lambda: all(namespace.ready(role, "chat4all") == 2 for role in ("api", "gateway", "router")))
    run("helm", "uninstall", "chat4all", "-n", "chat")
    namespace.delete()
