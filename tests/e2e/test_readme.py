"""What the README says a person types on Kubernetes is what is typed here, as it stands."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml
from tests.e2e.cluster import CHART, Namespace, Release, merged, run, until
from tests.e2e.conftest import values

from chat4all.client import Client
from chat4all_devtools.stack.stack import Stack

ROOT = CHART.parents[1]


def commands() -> str:
    """The shell blocks of the README's section, one after the other."""
    section = (ROOT / "README.md").read_text().partition("## On Kubernetes")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    return "".join(blocks)


def example(simulator: str) -> str:
    """The repository's example with a token of the simulator's, and its address in place of Telegram's."""
    url = f"{simulator}/control/telegram/bots/readme_bot"
    token = httpx.put(url, json={}, timeout=60).raise_for_status().json()["token"]
    secret, resource = yaml.safe_load_all((ROOT / "examples" / "telegram.yaml").read_text())
    secret["stringData"]["botToken"] = token
    resource["spec"]["config"] = {"baseURL": simulator}
    return str(yaml.safe_dump_all([secret, resource]))


def secrets_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of the example's values, the names of Secrets alone: its engines are not these."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found[key] = secrets_of(value)
        elif key == "existingSecret":
            found[key] = value
    return found


def test_the_readme_s_commands_install_it(
    release: Release, phone: str, people: Callable[[str], Client], engines: Stack, tmp_path: Path
) -> None:
    """With the example's Secrets and these engines, beside another release, which has the definitions and the users."""
    _ = release, people
    base = yaml.safe_load((CHART / "ci" / "base.yaml").read_text())
    own = merged(values(engines), {"crds": {"enabled": False}, "ingress": {"enabled": False}})
    own = merged(own, secrets_of(base))
    (tmp_path / "values.yaml").write_text(json.dumps(own))
    (tmp_path / "charts").symlink_to(CHART.parent)
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "telegram.yaml").write_text(example(phone))
    for name, engine in (("directory", "postgresql"), ("redis", "redis"), ("files", "minio")):
        (tmp_path / f"{name}-password.txt").write_text(engines[engine].password.read_text())
    said = run("bash", "-ec", f"exec 2>&1\ncd {tmp_path}\n{commands()}")
    namespace = Namespace("chat")
    assert "Phase:          Succeeded" in said
    assert "channelconnector.chat4all.io/support condition met" in said
    assert "@readme_bot" in said
    until("all are ready", lambda: all(namespace.ready(role, "chat4all") == 2 for role in ("api", "gateway", "router")))
    run("helm", "uninstall", "chat4all", "-n", "chat")
    namespace.delete()
