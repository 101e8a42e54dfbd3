"""What a fault makes of the answer to a call."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from chat4all_simulator.faults.rules import CallFault, Cut, HalfOpen, Overtaken, ServerError, Slow, WrongJson
from chat4all_simulator.http.exchange import Answer, Manner

_ERROR_PAGE_HTML: Final = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</body>\r\n</html>\r\n"
)


def instead(fault: CallFault | None) -> Answer | None:
    """Return the answer of a call that is not processed; None: it is. A 429 is not made here but by each provider."""
    match fault:
        case ServerError(when="before"):
            return _page(fault.status)
        case Cut(when="before"):
            return Answer(200, b"", manner=Manner(cut_at=0))
        case HalfOpen(when="before"):
            return Answer(200, b"", manner=Manner(silent=True))
    return None


def spoilt(fault: CallFault | None, answer: Answer, followup: Callable[[], Awaitable[None]]) -> Answer:
    """Spoil the answer of a call that was processed. `followup` returns when what came after the call was delivered."""
    match fault:
        case ServerError():
            return _page(fault.status)
        case Cut():
            answer.manner = Manner(cut_at=fault.bytes)
        case HalfOpen():
            answer.manner = Manner(silent=True)
        case WrongJson():
            answer.status, answer.body = 200, fault.body.encode()
        case Slow(when="after"):
            answer.manner = Manner(after=fault.seconds)
        case Overtaken():
            answer.manner = Manner(held=_at_most(followup(), fault.seconds))
    return answer


async def _at_most(delivery: Awaitable[None], seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await delivery


def _page(status: int) -> Answer:
    try:
        title = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        title = str(status)
    return Answer(status, _ERROR_PAGE_HTML.format(title).encode(), kind=b"text/html")
