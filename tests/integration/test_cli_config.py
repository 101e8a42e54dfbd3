"""`chat4all config` and `chat4all completion`: what needs no server."""

import functools
import itertools
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from tests.integration.commands import DEADLINE, chat4all, refusal, said, surroundings, together

from chat4all.processes.config import Settings, described

ALL: Final = [one.variable for one in described(Settings.model_construct())]


def test_config_shows_every_setting() -> None:
    """Each with its default, unit and meaning; with nothing in the environment, none is marked."""
    shown = " ".join(said("config").split())
    for one in described(Settings.model_construct()):
        assert one.variable in shown
        assert one.description in shown
        assert f"{one.default or ''} {one.unit}".strip() in shown
    assert "*" not in shown


FILTERS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "a section": ("log", [name for name in ALL if name.startswith("CHAT4ALL_LOG__")]),
    "a section, in capitals": ("LOG", [name for name in ALL if name.startswith("CHAT4ALL_LOG__")]),
    "a word of a name": ("burst", ["CHAT4ALL_ACCOUNTS__LOGIN_BURST", "CHAT4ALL_API__POST_BURST"]),
    "a unit": ("frames", ["CHAT4ALL_GATEWAY__QUEUE"]),
    "a word of what it is": ("opened from disk", ["CHAT4ALL_API__CORS_ORIGINS"]),
    "a whole variable": ("CHAT4ALL_SERVER__PORT", ["CHAT4ALL_SERVER__PORT"]),
    "everything": ("", ALL),
}


@pytest.mark.parametrize("name", FILTERS)
def test_config_shows_what_is_asked_for(name: str) -> None:
    word, variables = FILTERS[name]
    assert [one["variable"] for one in json.loads(said("config", word, "--json"))] == list(variables)


def test_config_marks_what_the_environment_sets() -> None:
    """What it sets to the default is no change."""
    around = {"CHAT4ALL_GATEWAY__QUEUE": "77", "CHAT4ALL_API": '{"post_burst": 5}', "CHAT4ALL_SERVER__PORT": "8000"}
    done = chat4all("config", environment=around)
    marked = [line.partition("* set: ")[2].strip() for line in done.stdout.splitlines() if "*" in line]
    assert sorted(marked) == ["5 posts", "77 frames"]
    found = json.loads(chat4all("config", "--json", environment=around).stdout)
    assert {one["variable"]: (one["default"], one["value"]) for one in found if one["changed"]} == {
        "CHAT4ALL_GATEWAY__QUEUE": (1000, 77),
        "CHAT4ALL_API__POST_BURST": (100, 5),
    }


WRONG: Final = {
    "a number that is none": ("CHAT4ALL_GATEWAY__QUEUE", "many"),
    "below the bound": ("CHAT4ALL_GATEWAY__QUEUE", "0"),
    "not one of several": ("CHAT4ALL_ACCOUNTS__REGISTRATION", "nobody"),
    "a section that is no JSON": ("CHAT4ALL_API", "fast"),
}


@pytest.mark.parametrize("name", WRONG)
def test_config_says_which_variable_is_wrong(name: str) -> None:
    variable, value = WRONG[name]
    assert variable in refusal(chat4all("config", environment={variable: value}))


def test_config_of_what_there_is_not_is_refused() -> None:
    assert "zebra" in refusal(chat4all("config", "zebra"))


def test_a_command_that_only_talks_to_a_server_does_not_load_one() -> None:
    heavy = "{'fastapi', 'sqlalchemy', 'uvicorn', 'chat4all.processes.config', 'aiohttp', 'psutil'}"
    script = f"import sys, chat4all.cli.app; sys.exit(str({heavy} & set(sys.modules) or ''))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.stderr.strip() == ""


# -- completion

PROGRAM: Final = Path(sys.executable).parent / "chat4all"
WORDS: Final[Mapping[str, tuple[Sequence[str], set[str]]]] = {
    "a command": (("hi",), {"history"}),
    "a command of several": (("users", ""), {"find", "add", "set"}),
    "an option": (("history", "bruno", "--li"), {"--limit"}),
    "the long name of what may be asked of any": (("trace", "--js"), {"--json"}),
    "a choice": (("history", "--kinds", ""), {"messages", "all"}),
    "a role": (("users", "add", "--role", "a"), {"agent", "admin"}),
    "a shell": (("completion", ""), {"bash", "zsh", "fish"}),
    "nothing": (("xyz",), set()),
}


def completed(words: Sequence[str], loaded: str) -> subprocess.CompletedProcess[str]:
    """What a real bash offers for the last of these words, its script `loaded` from there."""
    script = f"""
    source {loaded}
    COMP_WORDS=({PROGRAM} {shlex.join(words)}); COMP_CWORD={len(words)}
    complete -p chat4all | grep -q -- '-F _chat4all_completion'
    _chat4all_completion {PROGRAM}
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return subprocess.run(
        ["bash", "--norc", "-euc", script],
        capture_output=True,
        text=True,
        env=surroundings(),
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def completions(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, subprocess.CompletedProcess[str]]:
    """What bash offers for each; for the first of them its script is loaded as the help says."""
    file = tmp_path_factory.mktemp("completion") / "script"
    file.write_text(said("completion", "bash"))
    loaded = itertools.chain([f"<({PROGRAM} completion bash)"], itertools.repeat(str(file)))
    cases = zip(WORDS.items(), loaded, strict=False)
    return together({name: functools.partial(completed, words, where) for (name, (words, _)), where in cases})


@pytest.mark.parametrize("name", WORDS)
def test_bash_completes(completions: Mapping[str, subprocess.CompletedProcess[str]], name: str) -> None:
    done = completions[name]
    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.split()) == WORDS[name][1]


@pytest.mark.parametrize(
    ("shell", "how"),
    [("bash", "complete -o default"), ("zsh", "#compdef chat4all\n"), ("fish", "complete --command chat4all")],
)
def test_each_shell_has_its_script(shell: str, how: str) -> None:
    """zsh's is one for a file in its fpath too, which is known by its first line."""
    script = said("completion", shell)
    assert how in script
    assert script == f"{script.strip()}\n"
    assert shell != "zsh" or script.startswith(how)


def test_a_shell_without_a_script_is_refused_with_those_that_have_one() -> None:
    done = chat4all("completion", "tcsh")
    assert (done.returncode, done.stdout) == (2, "")
    assert all(shell in done.stderr for shell in ("bash", "zsh", "fish"))
