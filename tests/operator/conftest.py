"""A real control plane that the tests of a session share, with the project's definitions, and namespaces in it."""

import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from hack.node.control_plane import ControlPlane
from tests.operator import audit
from tests.operator.cluster import Namespace, client, define
from tests.operator.processes import Hub

from chat4all_devtools.stack.engine import StackError

logging.getLogger("httpx").setLevel(logging.WARNING)  # else a line for each of some hundred requests
CRDS = Path(__file__).resolve().parents[2] / "k8s" / "crds"


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One that knows ChannelConnectors; tests are skipped where it cannot be had."""
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"))
    try:
        plane.install()
    except StackError as error:
        pytest.skip(f"no control plane: {error}")
    audit.begin(plane)
    try:
        plane.start()
        define(plane, CRDS)
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Another one, for tests that freeze it or change its definitions, and leave it as they have found it."""
    plane = ControlPlane(tmp_path_factory.mktemp("rough"))
    try:
        plane.up()
        plane.kubectl("create", f"--filename={CRDS}")
        plane.kubectl("wait", "--for=condition=Established", f"--filename={CRDS}", "--timeout=120s")
        yield plane
    except StackError as error:
        pytest.skip(f"no control plane: {error}")
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> Iterator[httpx.Client]:
    """A client of its API, as its administrator: much quicker than a kubectl for each call."""
    with client(control_plane) as made:
        yield made


@pytest.fixture(scope="session")
def namespaces(control_plane: ControlPlane) -> Callable[[], Namespace]:
    """Make a namespace that nobody has used."""
    numbers = itertools.count(1)
    return lambda: Namespace(control_plane, f"test-{next(numbers)}")


@pytest.fixture
def namespace(namespaces: Callable[[], Namespace]) -> Namespace:
    """A namespace of this test's own."""
    return namespaces()


@pytest.fixture(scope="session")
def hub(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One that those tests share who leave it as it is: each namespace has registrations of its own."""
    made = Hub(tmp_path_factory.mktemp("hub"))
    try:
        yield made.start()
    finally:
        made.server.kill()
