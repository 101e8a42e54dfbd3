"""The wheel: what is in it, and that its commands run where the checkout is not."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("chat4all", "chat4all_simulator", "chat4all_devtools")


def run(*command, cwd, **environment):
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT, cwd=folder)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel):
    """Where it is unpacked, what it stands on being there already."""
    folder = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_all_three_packages_are_in_it_whole(wheel):
    source = ROOT / "src"
    kept = {str(one.relative_to(source)) for package in PACKAGES for one in (source / package).rglob("*")}
    wanted = {one for one in kept if (source / one).is_file() and "__pycache__" not in one}
    with zipfile.ZipFile(wheel) as archive:
        assert wanted <= set(archive.namelist())
    assert {f"{package}/py.typed" for package in PACKAGES} <= wanted


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("run", "--help"), "chat4all run api"),
        (("demo", "--help"), "chat4all demo"),
        (("phone", "--help"), "chat4all phone"),
        (("simulator", "--help"), "chat4all simulator"),
        (("dev", "--help"), "chat4all dev"),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
def test_its_commands_are_there(installed, tmp_path, command, said):
    program = f"import sys, chat4all.cli.app as app; assert {str(installed)!r} in app.__file__; app.main()"
    out = run(sys.executable, "-c", program, *command, cwd=tmp_path, PYTHONPATH=str(installed), COLUMNS="200")
    assert said in out


ENGINES = ("aiokafka", "cassandra", "minio", "opentelemetry.sdk", "psycopg2", "redis", "sqlalchemy_cockroachdb")


def test_embedded_mode_and_its_stories_need_no_client_of_an_engine(installed, tmp_path):
    """`make demo` and `make dev` install none."""
    block = f"import sys; sys.modules.update(dict.fromkeys({ENGINES}))"
    used = (
        "import chat4all.processes.dev, chat4all_devtools.stories, chat4all_devtools.phone, chat4all_simulator.process"
    )
    run(sys.executable, "-c", f"{block}; {used}", cwd=tmp_path, PYTHONPATH=str(installed))


def test_the_simulator_runs_without_the_product(installed, tmp_path):
    block = "import sys; sys.modules['chat4all'] = None; from chat4all_simulator.command import main; main()"
    assert "--port" in run(sys.executable, "-c", block, "--help", cwd=tmp_path, PYTHONPATH=str(installed))
