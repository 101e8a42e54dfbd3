"""Attempts: each is claimed before it is made, and its result kept (invariant 6 of the design).

So a recipient gets a part at most once, and once more for each attempt that is in doubt: one that was claimed and whose
result nobody knows, because the process ended, or the provider did not answer. There is no way to know better: no
provider lets us ask. Whoever would rather miss a message than have it twice sets `Hold`.
"""

import asyncio
import dataclasses
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from chat4all.channels.kit import errors
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.outbound import Attempt, Result
from chat4all.store.ledger import Ledger

_log = logging.getLogger(__name__)

OnUncertain = Literal["Resend", "Hold"]
Act = Callable[[], Awaitable[str]]  # asks the provider; gives its id of the message. Raises ChannelError
Turn = Callable[[], Awaitable[float]]  # takes a turn at a limit: nought, or the seconds until there is one

_RETRY_SECONDS: Final = 0.5  # between tries while the store is away
_LEASE_MARGIN_SECONDS: Final = 2.0  # of a lease that are left when an attempt is given up


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """It has come to an end. `attempts`: how many were made; `doubts`: how many of them are in doubt.

    `now`: by one that was made just now, not before.
    """

    result: Result
    attempts: int
    doubts: int
    now: bool = dataclasses.field(default=False, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Later:
    """To be tried again: after `seconds`, or when that makes sense where it is None. `error`: what stood in the way."""

    seconds: float | None
    error: errors.ChannelError | None = None


class Attempts:
    """The attempts to send the parts of one connector, each written down before it is made and after it.

    `lease_seconds`: how long one may take; `on_outcome`: called with the outcome of each; `clock`: seconds since 1970.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        lease_seconds: float,
        on_outcome: Callable[[str], None] = lambda _: None,
        on_uncertain: OnUncertain = "Resend",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._lease = lease_seconds
        self._on_outcome = on_outcome
        self._on_uncertain = on_uncertain
        self._clock = clock

    async def make(self, delivery_id: str, act: Act, turn: Turn | None = None) -> Done | Later:
        """Make the delivery if it has not been made, by one more attempt when it is its turn.

        Raises EngineUnavailableError.
        """
        while True:
            made = await self._ledger.attempts(delivery_id)
            settled = await self._look(delivery_id, made)
            if isinstance(settled, Done | Later):
                return settled
            if not settled:
                continue  # it has changed under our eyes
            if turn is not None and (seconds := await turn()):
                return Later(seconds)
            n, token = (made[-1].n if made else 0) + 1, secrets.token_hex(8)
            if await self._ledger.claim(delivery_id, n, token=token, lease=self._now() + int(self._lease * 1000)):
                return await self._attempt(delivery_id, n, token, act, made)

    async def _look(self, delivery_id: str, made: list[Attempt]) -> Done | Later | bool:
        """What the attempts so far mean; True: there may be another, False: look again."""
        if not made:
            return True
        last, doubts = made[-1], sum(one.uncertain for one in made)
        if last.result is not None and last.result.outcome != "refused":
            return Done(last.result, last.n, doubts)
        if last.result is None and not last.uncertain:
            left = last.lease - self._now()
            if left > 0:  # another is at it, or was when it ended
                return Later(left / 1000)
            return await self._ledger.doubt(delivery_id, last.n, token="", now=self._now()) and False
        if last.uncertain and self._on_uncertain == "Hold":
            return Done(Result(outcome="failed", reason="Uncertain"), last.n, doubts)
        return True

    async def _attempt(self, delivery_id: str, n: int, token: str, act: Act, made: list[Attempt]) -> Done | Later:
        result, later = await self._ask(act)
        self._on_outcome("uncertain" if result is None else result.outcome)
        if result is None:
            await self._kept(lambda: self._ledger.doubt(delivery_id, n, token=token, now=self._now()))
            return later
        if not await self._kept(lambda: self._ledger.settle(delivery_id, n, token=token, result=result)):
            return Later(0.0)  # it took longer than its lease, and somebody has put it in doubt
        if result.outcome == "refused":
            return later
        return Done(result, n, sum(one.uncertain for one in made), now=True)

    async def _ask(self, act: Act) -> tuple[Result | None, Later]:
        """Ask the provider once: the result, None where nobody knows; and when to ask again where it is none."""
        try:
            async with asyncio.timeout(max(self._lease - _LEASE_MARGIN_SECONDS, self._lease / 2)):
                return Result(outcome="sent", external_id=await act()), Later(None)
        except errors.ThrottledError as error:
            return Result(outcome="refused", reason="Throttled"), Later(error.retry_after, error)
        except (errors.RecipientError, errors.RejectedError, errors.MovedError) as error:
            return Result(outcome="failed", reason=error.reason), Later(None, error)
        except errors.UnknownOutcomeError as error:
            return None, Later(None, error)
        except TimeoutError:
            return None, Later(None, errors.UnknownOutcomeError("The provider took too long."))
        except errors.ChannelError as error:  # it was not reached, or would not have us: nothing was done
            return Result(outcome="refused", reason=type(error).__name__.removesuffix("Error")), Later(None, error)

    async def _kept(self, keep: Callable[[], Awaitable[bool]]) -> bool:
        """What is known is written, however long the store is away: else it would be in doubt."""
        while True:
            try:
                return await keep()
            except EngineUnavailableError as error:
                _log.warning("What came of an attempt waits to be written: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)

    def _now(self) -> int:
        return int(self._clock() * 1000)
