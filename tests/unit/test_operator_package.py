"""The folder operator/ and the package in it hide nothing of Python's own."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "operator" / "chat4all_operator"
ASKS: Final = """
import operator, functools, sys
assert operator.add(1, 2) == 3
assert not any(one.startswith(sys.argv[1]) for one in (operator.__file__, functools.__file__)), operator.__file__
"""


@pytest.mark.parametrize("before", [[], [ROOT], [ROOT / "operator"], [ROOT, ROOT / "operator", PACKAGE]], ids=str)
def test_import_operator_is_python_s(before: list[Path]) -> None:
    """From the repository's root, and with its folders first on the path."""
    paths = "".join(f"sys.path.insert(0, {str(one)!r});" for one in before)
    code = f"import sys;{paths}{ASKS}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "operator")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_folder_is_no_package() -> None:
    """A regular package anywhere on the path would take the place of Python's module."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert (PACKAGE / "__init__.py").exists()


def test_no_module_of_the_operator_is_called_like_one_of_python_s() -> None:
    """kopf and Python put a program's own folder first on the path."""
    modules = {one.stem for one in PACKAGE.rglob("*.py")} | {one.name for one in PACKAGE.rglob("*") if one.is_dir()}
    assert len(modules) > 20
    assert not modules & sys.stdlib_module_names
