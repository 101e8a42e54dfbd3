"""axe, which looks for what keeps people out of a page: installed from npm as its lock says, and run in the page."""

import asyncio
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page

from chat4all_devtools import cache

_WANTED: Final = tuple(Path(__file__).parent / name for name in ("package.json", "package-lock.json"))
_TAGS: Final = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
_RUN: Final = """async (tags) => {
  const { violations } = await axe.run({ runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] });
  const place = ({ target, html, failureSummary }) => ({ target, html, failureSummary });
  const said = ({ id, impact, help, helpUrl, nodes }) => ({ id, impact, help, helpUrl, nodes: nodes.map(place) });
  return violations.map(said);
}"""


def install() -> str:
    """The script, installed where it is not yet, or not as the lock says. Skips the test where there is no npm."""
    wanted = b"".join(file.read_bytes() for file in _WANTED)
    folder = cache.folder("npm") / hashlib.sha256(wanted).hexdigest()[:16]
    with cache.alone(folder.name):
        if not folder.exists():
            _install(folder)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("There is no npm, which brings axe-core. On Debian: apt-get install npm")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for file in _WANTED:
        shutil.copy(file, partial)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=partial, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"npm ci: {done.stdout}{done.stderr}"
    partial.replace(folder)


async def violations(page: Page, script: str) -> list[str]:
    """What axe finds in the page as it stands, a paragraph each.

    The script comes in as what a debugger evaluates, which the page's policy does not hold for: the policy stays on,
    and the page is the one that people get.
    """
    async with asyncio.timeout(60):
        if not await page.evaluate("() => 'axe' in window"):
            await page.evaluate(script)
        found: list[dict[str, Any]] = await page.evaluate(_RUN, _TAGS)
    return [_paragraph(one) for one in found]


def _paragraph(violation: dict[str, Any]) -> str:
    lines = [f"{violation['id']} ({violation['impact']}): {violation['help']} – {violation['helpUrl']}"]
    for node in violation["nodes"][:5]:
        reason = " ".join(node["failureSummary"].split())
        lines += [f"  at {' '.join(map(str, node['target']))}: {node['html'][:200]}", f"    {reason}"]
    if len(violation["nodes"]) > 5:
        lines.append(f"  and {len(violation['nodes']) - 5} more")
    return "\n".join(lines)
