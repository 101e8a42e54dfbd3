"""What is made from something else still fits it: the locks pyproject.toml, the pages in docs/ the code.

`python hack/drift.py` checks and is part of `make lint`; `--write` writes the pages again (`make docs`).
"""

import itertools
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hack.chart import schema
from packaging.requirements import Requirement

from chat4all.model.connector_reasons import CONNECTOR_REASONS
from chat4all.model.errors import PROBLEMS
from chat4all.model.reasons import REASONS
from chat4all.processes.config import Settings, described

ROOT: Final = Path(__file__).resolve().parent.parent
CHANNELS: Final = ROOT / "src" / "chat4all" / "channels"
_PIN: Final = re.compile(r"^([a-z0-9._-]+)(?:\[[^]]*])?==([^ ;\\]+)", re.MULTILINE)


def errors_page() -> str:
    """docs/errors.md, from the table in model/errors.py."""
    lines = [
        "# Errors",
        "",
        "Every error is `application/problem+json` (RFC 9457): `type` is `urn:chat4all:problem:<code>`, `detail` says",
        "what is wrong here, `errors` names the fields, `advice` says what to do next. Nothing is stored for a request",
        "that is refused; after 503 the outcome may be unknown. Nothing already accepted is lost by an error.",
        "Made from model/errors.py by `make docs`.",
        "",
        "| code | status | what it is | what to do |",
        "|---|---|---|---|",
    ]
    lines += [f"| {code} | {p.status} | {p.title} | {p.advice} |" for code, p in PROBLEMS.items()]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """docs/settings.md, from the settings classes."""
    lines = [
        "# Settings",
        "",
        "Set in the environment; `chat4all config` shows them with what is set now. Made from the settings classes by",
        "`make docs`.",
        "",
    ]
    defaults = described(Settings.model_construct())
    for section, settings in itertools.groupby(defaults, key=lambda one: (one.section, one.about)):
        lines += [f"## {section[0]}", "", section[1], "", "| name | default | unit | meaning |", "|---|---|---|---|"]
        for one in settings:
            default = "unset" if one.default is None else f"`{one.default}`" if one.default != "" else "empty"
            lines.append(f"| `{one.variable}` | {default} | {one.unit} | {one.description} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def reasons_page() -> str:
    """docs/reasons.md, from the table in model/reasons.py."""
    lines = [
        "# Why something did not reach somebody",
        "",
        "A delivery that failed says why. What it says, what can be done, and whether sending it again can make sense.",
        "Made from model/reasons.py by `make docs`.",
        "",
        "| reason | what happened | what to do | retry |",
        "|---|---|---|---|",
    ]
    lines += [f"| {code} | {r.sentence} | {r.advice} | {'yes' if r.again else 'no'} |" for code, r in REASONS.items()]
    return "\n".join(lines) + "\n"


def connectors_page() -> str:
    """docs/connectors.md, from the table in model/connector_reasons.py."""
    lines = [
        "# How a connector is",
        "",
        "Each pod of a connector reports how it is, with one of these reasons and a sentence: see",
        "`GET /internal/v1/connectors`. Made from model/connector_reasons.py by `make docs`.",
        "",
        "| reason | how it is | what to do |",
        "|---|---|---|",
    ]
    lines += [f"| {code} | {meaning.sentence} | {meaning.advice} |" for code, meaning in CONNECTOR_REASONS.items()]
    return "\n".join(lines) + "\n"


PAGES: Final = {
    "docs/connectors.md": connectors_page,
    "docs/errors.md": errors_page,
    "docs/reasons.md": reasons_page,
    "docs/settings.md": settings_page,
    "charts/chat4all/values.schema.json": schema.text,
    **{f"examples/{one.parent.name}.yaml": one.read_text for one in CHANNELS.glob("*/example.yaml")},
    **{f"charts/chat4all/files/crds/{one.name}": one.read_text for one in (ROOT / "k8s" / "crds").iterdir()},
}


def faults() -> Iterator[str]:
    """Everything that does not fit, one sentence each."""
    for name, page in PAGES.items():
        path = ROOT / name
        if not path.exists() or path.read_text() != page():
            yield f"{name} is not what the code says: run make docs"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"]]
    extras = project["project"]["optional-dependencies"]
    engines, testing = extras.pop("distributed") + extras.pop("operator"), extras.pop("testing")
    for extra in extras.values():
        wanted += extra
    groups = [one for group in project["dependency-groups"].values() for one in group if isinstance(one, str)]
    yield from _lock_faults("embedded.lock", wanted)
    yield from _lock_faults("distributed.lock", wanted + engines)
    yield from _lock_faults("dev.lock", wanted + engines + testing + groups)
    yield from _same_pins("embedded.lock", "distributed.lock")
    yield from _same_pins("distributed.lock", "dev.lock")


def _lock_faults(name: str, wanted: list[str]) -> Iterator[str]:
    text = (ROOT / "requirements" / name).read_text()
    pins = dict(_PIN.findall(text))
    for requirement in map(Requirement, wanted):
        if requirement.name == "chat4all":
            continue
        pin = pins.get(requirement.name)
        if pin is None or not requirement.specifier.contains(pin):
            yield f"requirements/{name} has {requirement.name} {pin}, pyproject.toml wants {requirement}: run make lock"
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    yield from (f"requirements/{name}: no hash for {b.split()[0]}" for b in blocks if "==" in b and "--hash=" not in b)
    if re.search(r"https?://|--(extra-)?index-url|--find-links", text):
        yield f"requirements/{name} names a host"


def _same_pins(less: str, more: str) -> Iterator[str]:
    """What is tested is what runs."""
    runs = dict(_PIN.findall((ROOT / "requirements" / less).read_text()))
    tested = dict(_PIN.findall((ROOT / "requirements" / more).read_text()))
    yield from (
        f"{n}: {v} in {less}, {tested.get(n)} in {more}: run make lock" for n, v in runs.items() if tested.get(n) != v
    )


def main(arguments: list[str]) -> int:
    """Check, or write."""
    if arguments == ["--write"]:
        for name, page in PAGES.items():
            (ROOT / name).write_text(page())
        return 0
    found = list(faults())
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
