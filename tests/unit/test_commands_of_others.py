"""Commands that another package brings by the entry point group `chat4all.commands`."""

import os
import subprocess
import sys

import pytest

BREEDER = """
import typer

def breed(pairs: int = typer.Option(1, help="How many.")) -> None:
    \"\"\"Breed pigeons.\"\"\"
    typer.echo(f"{pairs * 2} pigeons")
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "breeder.py").write_text(BREEDER)
    info = tmp_path / "breeder-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: breeder\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[chat4all.commands]\nbreed = breeder:breed\nbroken = nobody:at_home\n")

    def run(*arguments):
        command = [sys.executable, "-m", "chat4all", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def test_it_is_a_command_like_any_other(run):
    assert "Breed pigeons." in run("--help").stdout
    assert run("breed", "--pairs", "3").stdout == "6 pigeons\n"


def test_one_that_cannot_be_loaded_harms_no_other_and_says_so_when_it_is_called(run):
    assert run("completion", "bash").returncode == 0
    done = run("broken")
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "The command broken of nobody:at_home cannot be loaded" in said
    assert "Traceback" not in said
