"""`python -m tests.operator.mortal` is the operator, which is killed as soon as its n-th change has been answered.

MORTAL names a file; once it is there, with a number in it, changes are counted. Leases are none.
"""

import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import typer

from chat4all_operator.command import run

FILE = Path(os.environ["MORTAL"])
ask = aiohttp.ClientSession._request


async def mortal(self: aiohttp.ClientSession, method: str, url: Any, **given: Any) -> aiohttp.ClientResponse:
    """What every request goes through, of both clients that the operator has."""
    answer = await ask(self, method, url, **given)
    if method != "GET" and "/leases" not in str(url):
        count()
    return answer


def count() -> None:
    """One more change has been made; perhaps it was the last one."""
    if FILE.exists():
        left = int(FILE.read_text()) - 1
        FILE.write_text(str(left))
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    aiohttp.ClientSession._request = mortal  # type: ignore[method-assign, assignment]
    typer.run(run)
