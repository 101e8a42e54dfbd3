"""The control plane of these tests: it does what a cluster's does, takes faults, and leaves nothing behind."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from hack.node.control_plane import ControlPlane, KubectlError
from hack.node.programs import KUBERNETES
from tests.operator.cluster import Namespace, client

DEADLINE = 120.0  # seconds, for faults
ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "localhost/web"}]},
        },
    },
}
# Starts a control plane, says so, and waits to be ended.
OWNER = """
import sys
from pathlib import Path
from chat4all_devtools import termination
from hack.node.control_plane import ControlPlane
with termination.orderly():
    plane = ControlPlane(Path(sys.argv[1]))
    try:
        plane.start()
        print("started", flush=True)
        sys.stdin.read()
    finally:
        plane.stop()
"""


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds; not to answer is not to hold."""
    deadline = time.monotonic() + DEADLINE
    while not _holds(condition):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)  # between looks, until the deadline


def _holds(condition: Callable[[], bool]) -> bool:
    with contextlib.suppress(KubectlError, httpx.HTTPError):
        return condition()
    return False


def processes(folder: Path) -> list[psutil.Process]:
    """What runs with the folder in its command, but whoever was given it as the last word, as the owner is."""
    found = []
    for one in psutil.process_iter():
        try:
            if any(str(folder) in part for part in one.cmdline()) and OWNER not in one.cmdline():
                found.append(one)
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_deployment_gets_pods_and_takes_them_with_it(namespace: Namespace) -> None:
    namespace.create(DEPLOYMENT)
    until(lambda: len(namespace.get("pods")) == 2, "two pods")
    namespace.kubectl("delete", "deployment", "web")
    until(lambda: not namespace.get("pods"), "no pods")


def test_a_namespace_goes_with_what_is_in_it(namespace: Namespace) -> None:
    namespace.create(DEPLOYMENT)
    namespace.kubectl("delete", "namespace", namespace.name, "--timeout=120s")
    assert namespace.name not in namespace.kubectl("get", "namespaces")


def test_a_token_of_a_service_account_gets_what_its_role_allows(namespace: Namespace) -> None:
    namespace.kubectl("create", "serviceaccount", "reader")
    namespace.kubectl("create", "role", "reads", "--verb=get", "--resource=configmaps")
    namespace.kubectl("create", "rolebinding", "reads", "--role=reads", f"--serviceaccount={namespace.name}:reader")
    namespace.kubectl("create", "configmap", "words", "--from-literal=a=b")
    token = namespace.kubectl("create", "token", "reader").strip()
    with client(namespace.control_plane, token) as api:
        place = f"/api/v1/namespaces/{namespace.name}"
        until(lambda: api.get(f"{place}/configmaps/words").status_code == 200, "the role is known")
        assert api.get(f"{place}/secrets").status_code == 403
    with client(namespace.control_plane, "nobody's") as api:
        assert api.get(f"{place}/configmaps/words").status_code == 401


@pytest.fixture(scope="module")
def own(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that nobody else needs; there is one where there is that of all tests."""
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
    assert processes(plane.folder) == []


@pytest.mark.parametrize("name", ["etcd", "apiserver", "controller-manager"])
def test_each_process_may_be_killed_and_started_again(own: ControlPlane, name: str) -> None:
    own.kubectl("create", "configmap", f"before-{name}", "--from-literal=a=b")
    server, pid = own.server, own[name].pid
    own.restart(name)
    assert own[name].alive
    assert (own.server, own[name].pid != pid) == (server, True)
    until(lambda: own["apiserver"].version() == KUBERNETES, "the API answers")
    assert f"before-{name}" in own.kubectl("get", "configmaps")


def test_a_frozen_api_server_answers_nothing_until_it_is_thawed(own: ControlPlane) -> None:
    own.signal("apiserver", signal.SIGSTOP)
    with pytest.raises(KubectlError):
        own.kubectl("get", "namespaces", "--request-timeout=1s")
    own.signal("apiserver", signal.SIGCONT)
    assert "default" in own.kubectl("get", "namespaces")


def test_it_is_stopped_however_it_is_and_starts_again_with_what_it_had(own: ControlPlane) -> None:
    own.kubectl("create", "namespace", "kept")
    own.signal("apiserver", signal.SIGSTOP)
    own.stop()
    assert processes(own.folder) == []
    assert own.up() == KUBERNETES
    assert "kept" in own.kubectl("get", "namespaces")


@pytest.mark.usefixtures("control_plane")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_runs_on_when_its_owner_has_ended(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "started\n"
        assert len(processes(tmp_path)) == 4
        owner.send_signal(number)
        owner.wait()
    until(lambda: not processes(tmp_path), "every process has ended")
