"""axe, which looks for what keeps people out of a page: installed from npm as its lock says, and run in the page."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page

_FOLDER: Final = Path(__file__).parent
_LOCK: Final = _FOLDER / "package-lock.json"
_INSTALLED: Final = _FOLDER / "node_modules" / ".package-lock.json"
_SCRIPT: Final = _FOLDER / "node_modules" / "axe-core" / "axe.min.js"
_TAGS: Final = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
_RUN: Final = """async (tags) => {
  const { violations } = await axe.run({ runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] });
  const place = ({ target, html, failureSummary }) => ({ target, html, failureSummary });
  const said = ({ id, impact, help, helpUrl, nodes }) => ({ id, impact, help, helpUrl, nodes: nodes.map(place) });
  return violations.map(said);
}"""


def install() -> str:
    """The script, installed where it is not yet, or not as the lock says. Skips the test where there is no npm."""
    if not _INSTALLED.exists() or _INSTALLED.stat().st_mtime < _LOCK.stat().st_mtime:
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("There is no npm, which brings axe-core. On Debian: apt-get install npm")
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=_FOLDER, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"npm ci: {done.stdout}{done.stderr}"
        os.utime(_INSTALLED)
    return _SCRIPT.read_text()


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
