"""A running hub is restarted, upgraded, rolled back and killed, pod by pod, while twenty messages a second are written.

After each: every 202 is stored once, dense, in order, shown once to a reader who resumes, and on the phone no more
often than an attempt is in doubt.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from hack.node import images
from tests.distributed.load import Load
from tests.e2e.cluster import CHART, Release, run, until

ROLES = ("api", "gateway", "router", "connector")
NODE = Path(os.environ.get("KUBECONFIG", "/nowhere/x")).parent
NEXT_SQL = '''"""What the next release adds."""

import sqlalchemy as sa
from alembic import op

revision = "0099"
down_revision = "0005"


def upgrade() -> None:
    """Add a column that this release does not know."""
    op.add_column("users", sa.Column("next_release", sa.String(8)))
'''
NEXT_CQL = "ALTER TABLE messages ADD IF NOT EXISTS next_release text;\n"
NEXT_IMAGE = """FROM localhost/chat4all:dev
USER root
COPY --chmod=644 v0099_next.py v0099_next.cql /next/
RUN cp /next/*.py /opt/chat4all/lib/python3*/site-packages/chat4all/directory/sql/migrations/versions/ && \\
    cp /next/*.cql /opt/chat4all/lib/python3*/site-packages/chat4all/store/cassandra/migrations/
USER 10001:10001
"""


async def done(work: Callable[..., Any], *given: Any, **more: Any) -> Any:
    """Do what blocks beside the load."""
    return await asyncio.to_thread(work, *given, **more)


async def test_every_deployment_is_restarted_one_after_another(release: Release, load: Load) -> None:
    resumes = load.resumes
    for role in ("api", "gateway", "router"):
        await done(release.restart, role)
        await load.goes_on()
    deployment = "deployment/connector-support"
    await done(release.namespace.kubectl, "rollout", "restart", deployment)
    await done(release.namespace.kubectl, "rollout", "status", deployment, "--timeout=240s")
    assert load.resumes > resumes, "a socket was on each gateway that went"


@pytest.fixture
def earlier(release: Release, tmp_path: Path) -> str:
    """The release is of the newest earlier chart that differs, if there is one: how it came to be."""
    root = CHART.parents[1]
    commits = run("git", "-C", str(root), "log", "--format=%H", "--", "charts/chat4all").split()
    for commit in commits:
        files = run("git", "-C", str(root), "ls-tree", "-r", "--name-only", commit, "charts/chat4all").split()
        differs = run("git", "-C", str(root), "diff", "--name-only", commit, "--", "charts/chat4all/templates").strip()
        if differs and "charts/chat4all/values.schema.json" in files:  # before that it was not one to be installed
            archive = tmp_path / "chart.tar"
            run("git", "-C", str(root), "archive", f"--output={archive}", commit, "charts/chat4all")
            run("tar", "-xf", str(archive), "-C", str(tmp_path))
            wait = ("--wait", "--wait-for-jobs", "--timeout", "8m", "--skip-schema-validation")
            release.helm("upgrade", "--install", *wait, chart=tmp_path / "charts" / "chat4all")
            return f"from the chart of {commit[:7]}"
    return "from the same chart with other values"


async def test_an_upgrade_from_an_earlier_chart_with_other_values(
    release: Release, load: Load, earlier: str, report: Callable[[str], None]
) -> None:
    report(f"upgrade {earlier}")
    before = {one["metadata"]["name"] for role in ROLES[:3] for one in release.namespace.pods(role)}
    await done(release.install, drainSeconds=11, settings={"gateway": {"receiptSeconds": 0.5}})
    after = {one["metadata"]["name"] for role in ROLES[:3] for one in release.namespace.pods(role)}
    assert not before & after, "each pod was replaced"


@pytest.mark.parametrize("role", ROLES)
async def test_a_pod_is_killed(release: Release, load: Load, role: str) -> None:
    [pod, *_] = release.namespace.pods(role, release.name)
    uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]

    def restarts() -> int:
        statuses = release.namespace.get("pod", name)["status"]["containerStatuses"]
        return sum(one["restartCount"] for one in statuses)

    before = restarts()
    for process in processes(uid):
        process.send_signal(signal.SIGKILL)
    await done(until, "it is started again", lambda: restarts() > before)
    wanted = 1 if role == "connector" else 2
    await done(until, "it is ready again", lambda: release.namespace.ready(role, release.name) == wanted)


def processes(uid: str) -> list[psutil.Process]:
    """What runs in a pod, but what holds its namespaces: its control group carries its uid."""
    found = []
    for one in psutil.process_iter():
        try:
            if uid in Path(f"/proc/{one.pid}/cgroup").read_text() and "pause" not in one.name():
                found.append(one)
        except (OSError, psutil.NoSuchProcess):
            continue
    assert found, "it runs"
    return found


@pytest.fixture(scope="session")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of a release that comes after this one: both schemas have one more step."""
    folder = tmp_path_factory.mktemp("next")
    (folder / "v0099_next.py").write_text(NEXT_SQL)
    (folder / "v0099_next.cql").write_text(NEXT_CQL)
    (folder / "Containerfile").write_text(NEXT_IMAGE)
    images.load(NODE, images.build("next", folder, dockerfile="Containerfile"))
    return "next"


async def test_the_next_release_migrates_and_a_rollback_goes_on(
    release: Release, load: Load, next_release: str
) -> None:
    revision = len(history(release))
    await done(
        release.helm, "upgrade", "--wait", "--wait-for-jobs", "--timeout", "8m", "--set", f"image.tag={next_release}"
    )
    assert running(release) == {f"localhost/chat4all:{next_release}"}
    logs = release.namespace.kubectl("logs", "-l", "app.kubernetes.io/component=migrate", "--tail=-1")
    assert "schema 99, was 5" in logs
    assert "v0099_next" in logs
    await load.goes_on()
    place = ("--namespace", release.namespace.name)
    await done(
        run, "helm", "rollback", release.name, str(revision), *place, "--wait", "--wait-for-jobs", "--timeout", "8m"
    )
    assert running(release) == {"localhost/chat4all:dev"}, "pods of the old release became ready on the new schema"
    logs = release.namespace.kubectl("logs", "-l", "app.kubernetes.io/component=migrate", "--tail=-1")
    assert "newer than this release's" in logs


def running(release: Release) -> set[str]:
    """The images of the three roles' pods."""
    pods = [pod for role in ROLES[:3] for pod in release.namespace.pods(role)]
    return {container["image"] for pod in pods for container in pod["spec"]["containers"]}


def history(release: Release) -> list[str]:
    """The revisions of a release, a line each."""
    return run("helm", "history", release.name, "--namespace", release.namespace.name).splitlines()[1:]
