"""The walls between the rooms stand: an import through any of them is found by `make lint`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "operator")  # where packages are

# Where it stands, what is imported there, and the contract that has to break.
ILLEGAL = {
    "a room reaches upward": (
        "chat4all/conversations/history.py",
        "from chat4all.api import health",
        "Rooms lie in layers, and rooms of one layer do not know each other",
    ),
    "a room reaches into its neighbour": (
        "chat4all/gateway/hub.py",
        "from chat4all.routing import router",
        "Rooms lie in layers, and rooms of one layer do not know each other",
    ),
    "a new room has no place yet": (
        "chat4all/attic/__init__.py",
        "from chat4all.model import ids",
        "Rooms lie in layers, and rooms of one layer do not know each other",
    ),
    "the kit knows a channel": (
        "chat4all/channels/kit/registry.py",
        "from chat4all.channels import telegram",
        "Channels do not know each other, and the kit knows none of them",
    ),
    "a channel looks at the store": (
        "chat4all/channels/telegram/channel.py",
        "from chat4all.store import port",
        "A channel translates, and knows no engine and no room but the kit",
    ),
    "the simulator knows what it watches": (
        "chat4all_simulator/journal.py",
        "from chat4all.model import ids",
        "The simulator is a witness: it knows nothing of what it watches",
    ),
    "what providers share knows one of them": (
        "chat4all_simulator/journal.py",
        "from chat4all_simulator.telegram import limits",
        "Providers do not know each other, and what they share knows none of them",
    ),
    "the product knows its witness": (
        "chat4all/connectors/simulator.py",
        "from chat4all_simulator import clock",
        "Nothing but the page of all settings knows the simulator",
    ),
    "the product knows its tools": (
        "chat4all/cli/dev.py",
        "from chat4all_devtools import ports",
        "The tools of developers stand on the product, which does not know them",
    ),
    "a room picks a twin": (
        "chat4all/routing/router.py",
        "from chat4all.log import embedded",
        "Only processes picks a twin",
    ),
    "the command line picks a twin": (
        "chat4all/cli/migrate.py",
        "from chat4all.log.kafka import topics",
        "Only processes picks a twin",
    ),
    "a twin picks another port's": (
        "chat4all/limits/redis.py",
        "from chat4all.realtime.redis import realtime",
        "Only processes picks a twin",
    ),
    "a room sees all settings": (
        "chat4all/log/settings.py",
        "from chat4all.processes import config",
        "Only processes and the command line see all settings",
    ),
    "a port knows a driver": (
        "chat4all/log/port.py",
        "import aiokafka",
        "A port knows no driver",
    ),
    "the operator knows a room": (
        "chat4all_operator/registered.py",
        "from chat4all.directory import channels",
        "The operator stands apart: it knows what channels say of themselves, and drives the rest over HTTP",
    ),
    "the product knows the operator": (
        "chat4all/processes/config.py",
        "from chat4all_operator import settings",
        "Nobody knows the operator",
    ),
    "the operator asks while it decides": (
        "chat4all_operator/acceptance.py",
        "from chat4all_operator import registry",
        "What the operator decides, it decides from data",
    ),
    "the web framework gets into the router": (
        "chat4all/routing/intake.py",
        "import fastapi",
        "The web framework stays in the API, the gateway's endpoint and the processes",
    ),
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """As `make lint` does it, on this tree."""
    program = str(Path(sys.executable).with_name("lint-imports"))
    command = [program, "--no-cache", "--config", str(root / "pyproject.toml")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(root / one) for one in FOLDERS), "COLUMNS": "200"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages, whose walls stand."""
    root = tmp_path_factory.mktemp("walls")
    shutil.copy(ROOT / "pyproject.toml", root)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "console"))
    done = lint(root)
    assert done.returncode == 0, done.stdout
    return root


@pytest.mark.parametrize("name", ILLEGAL)
def test_an_import_through_a_wall_is_found(tree, name):
    place, line, contract = ILLEGAL[name]
    file = tree / ("operator" if place.startswith("chat4all_operator/") else "src") / place
    before = file.read_text() if file.exists() else None
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{before or ''}\n{line}\n")
    try:
        done = lint(tree)
    finally:
        if before is None:
            shutil.rmtree(file.parent)
        else:
            file.write_text(before)
    assert done.returncode == 1, done.stdout
    assert f"{contract} BROKEN" in done.stdout, done.stdout


def test_every_contract_is_tried() -> None:
    contracts = (ROOT / "pyproject.toml").read_text().split("[[tool.importlinter.contracts]]")[1:]
    names = {one.split('"')[1] for one in contracts}
    tried = {contract for _, _, contract in ILLEGAL.values()}
    assert names == tried
