"""docs/architecture.md, the glossary and CONTRIBUTING speak of what is there."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
SOURCE = ROOT / "src" / "chat4all"


def places(page: str) -> list[tuple[str, str]]:
    """Each `file.py` with the `Names` after it."""
    found = []
    for file, names in re.findall(r"`([\w/]+\.py)`((?: `[\w.]+`,?)*)", page):
        found += [(file, name) for name in re.findall(r"`([\w.]+)`", names)] or [(file, "")]
    return found


@pytest.mark.parametrize(("file", "name"), places(PAGE))
def test_what_it_names_is_there(file, name):
    assert (SOURCE / file).is_file()
    there = importlib.import_module("chat4all." + file.removesuffix(".py").replace("/", "."))
    for part in name.split(".") if name else ():
        there = getattr(there, part)


def test_it_follows_a_message_through_every_step():
    steps = [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    assert steps == [*range(1, len(steps) + 1)]
    assert len(places(PAGE)) > len(steps)


def test_its_drawing_has_every_room():
    drawing = PAGE.split("```")[1]
    rooms = {one.parent.name for one in SOURCE.glob("*/__init__.py")} | {one.stem for one in SOURCE.glob("[a-z]*.py")}
    assert {room for room in rooms if not re.search(rf"\b{room}\b", drawing)} == set()


def test_the_glossary_has_at_most_forty_terms():
    rows = re.findall(r"^\| ([a-z, ]+) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    terms = [row for row in rows if row != "term"]
    assert 30 <= len(terms) == len(set(terms)) <= 40


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", "docs/architecture.md", "docs/adr/README.md"])
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / page).read_text())
    assert [one for one in links if not ((ROOT / page).parent / one).exists()] == []


def test_contributing_names_files_that_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    roots = (ROOT, ROOT / "src", SOURCE, SOURCE.parent / "chat4all_simulator")
    named = re.findall(r"`([\w./-]+/[\w./-]*)`", text)
    assert len(named) > 20
    assert [one for one in named if "~" not in one and not any((root / one).exists() for root in roots)] == []
