"""`python -m tests.chaos.sabotaged VARIANT dev ...`: the same program with one thing left out that must not be.

The proof has to catch each, or it proves nothing. It dies at named points, as `killed` does.
"""

import asyncio
import itertools
import os
import sys
from typing import Any

from tests.chaos import killed

from chat4all.connectors import attempts, lanes
from chat4all.conversations.acceptance import Acceptance

_numbers = itertools.count()


async def _make(self: Any, _delivery_id: str, act: Any, turn: Any = None) -> Any:
    """Ask the provider without having claimed anything; what came of earlier attempts is not known."""
    if turn is not None and (seconds := await turn()):
        return attempts.Later(seconds)
    result, later = await self._ask(act)
    return later if result is None or result.outcome == "refused" else attempts.Done(result, 1, 0)


_put = lanes.Lanes.put


def _put_done(self: Any, assignment: Any, offset: int, lane: bytes, what: Any) -> None:
    """Done with as soon as it is there: it is committed before it is sent."""
    _put(self, assignment, offset, lane, what)
    self._open[assignment][offset] = True


def _put_anywhere(self: Any, assignment: Any, offset: int, _lane: bytes, what: Any) -> None:
    """Each in a lane of its own: nothing keeps a chat in order."""
    _put(self, assignment, offset, b"%d" % next(_numbers), what)


_append = Acceptance._append
_later: set[asyncio.Task[None]] = set()


async def _append_later(self: Any, accepted: Any) -> None:
    """The answer does not wait for the log: where the process is to die, it dies before the record is there."""
    if not os.environ.get(killed.ASKED):
        _later.add(asyncio.create_task(_append(self, accepted)))


VARIANTS = {
    "answer-first": (Acceptance, "_append", _append_later),
    "no-claim": (attempts.Attempts, "make", _make),
    "commit-before-send": (lanes.Lanes, "put", _put_done),
    "no-lanes": (lanes.Lanes, "put", _put_anywhere),
}


def main() -> None:
    """Put the variant in its place, then run the command."""
    where, name, replacement = VARIANTS[sys.argv.pop(1)]
    setattr(where, name, replacement)
    killed.main()


if __name__ == "__main__":
    main()
