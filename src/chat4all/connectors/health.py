"""How a connector is, and how that is told: by each pod to the directory, when it changes and now and then."""

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from chat4all.channels.kit import errors
from chat4all.directory.channels import ChannelDirectory, NoSuchMembersError, Report
from chat4all.model.connector_reasons import CONNECTOR_REASONS, Code
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.rows import iso

_log = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 30.0  # after which it is told again, though nothing has changed
_SPARING_SECONDS: Final = 5.0  # at least between two times for what changes all the time
_LOOK_SECONDS: Final = 2.0  # between looks whether it has to be told again
_MAX_SENTENCE: Final = 500  # characters


class Trouble(NamedTuple):
    """What is wrong: a code, and a sentence for a person."""

    reason: Code
    sentence: str


@dataclasses.dataclass(slots=True)
class ConnectorStatus:
    """What it tells of itself. `problem`: a sentence, empty while all is well; `queue`: records that wait; `limited`:
    chats that stand still until the provider takes more; `unsupported`: updates that were left alone, by kind.

    `role`, `authenticated`, `registered`, `unregistered`, `limited_until` (seconds since 1970): see
    `chat4all.directory.channels.Report`.
    """

    account: str = ""
    mode: str = ""
    registered: bool | None = None
    problem: str = ""
    queue: int = 0
    limited: int = 0
    unsupported: dict[str, int] = dataclasses.field(default_factory=dict)
    role: Literal["receives", "sends"] = "sends"
    authenticated: bool | None = None
    unregistered: bool = False
    limited_until: float | None = None
    reason: Code = Code.STARTING

    def say(self, trouble: Trouble | None) -> None:
        """Tell of this trouble, or of none."""
        self.reason, self.problem = trouble or Trouble(Code.CONNECTED, "")

    def report(self, pod: str, at: int) -> Report:
        """Return what a pod reports at this time (ms)."""
        return Report(
            pod=pod,
            at=at,
            role=self.role,
            authenticated=self.authenticated,
            registered=self.registered,
            unregistered=self.unregistered,
            account_name=self.account,
            rate_limited_until=None if self.limited_until is None else int(self.limited_until * 1000),
            reason=self.reason,
            sentence=(self.problem or CONNECTOR_REASONS[self.reason].sentence)[:_MAX_SENTENCE],
        )

    def for_people(self, at: int) -> dict[str, Any]:
        """Return what the list of connectors shows; releases before this one read it too."""
        names = ("account", "mode", "problem", "queue", "limited", "unsupported")
        shown = {name: getattr(self, name) for name in names}
        return {**shown, "registered": bool(self.registered), "at": iso(at)}


class Reporter:
    """Tells how one connector is in this pod. `clock`: seconds since 1970."""

    def __init__(
        self, channels: ChannelDirectory, uid: str, pod: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._channels = channels
        self._uid = uid
        self._pod = pod
        self._clock = clock
        self._told: tuple[Any, Any] = (None, None)  # what matters, and what changes all the time
        self._told_at = 0.0

    async def tell(self, status: ConnectorStatus) -> bool:
        """Write it down if it has changed, or was written long ago; what could not be written is tried the next time.
        Return whether it stands there."""
        now = self._clock()
        at = int(now * 1000)
        report, shown = status.report(self._pod, at), status.for_people(at)
        telling = _telling(report), repr(sorted({**shown, "at": "", "until": report.rate_limited_until}.items()))
        waited = now - self._told_at
        if telling[0] == self._told[0] and waited < (AGAIN_SECONDS if telling == self._told else _SPARING_SECONDS):
            return True
        try:
            await self._channels.report(self._uid, report, shown)
        except EngineUnavailableError as error:
            _log.warning("How connector %s is cannot be told: %s", self._uid, error)
            return False
        self._told, self._told_at = telling, now
        return True

    async def keep_telling(self, status: ConnectorStatus, seconds: float) -> None:
        """Tell it for so long, whenever it has to be told again."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await self.tell(status)
            await asyncio.sleep(min(_LOOK_SECONDS, left))


def _telling(report: Report) -> tuple[object, ...]:
    """Return what has to be told at once. Until when it waits moves with every answer, so that only whether it does is
    among that."""
    return (
        report.role,
        report.authenticated,
        report.registered,
        report.unregistered,
        report.account_name,
        report.rate_limited_until is None,
        report.reason,
        report.sentence,
    )


_OF_PROVIDER: Final[dict[type[Exception], Code]] = {
    errors.CredentialsError: Code.TOKEN_REFUSED,
    errors.ThrottledError: Code.RATE_LIMITED,
    errors.UnreachableError: Code.PROVIDER_UNREACHABLE,
    errors.UnknownOutcomeError: Code.PROVIDER_UNREACHABLE,
    EngineUnavailableError: Code.ENGINE_UNAVAILABLE,
}


def trouble_of(error: Exception) -> Trouble:
    """Return what an error of the provider or of an engine means for the connector."""
    if isinstance(error, NoSuchMembersError):
        return Trouble(Code.ROW_INVALID, f"spec.inbox.members: {error}.")
    return Trouble(_OF_PROVIDER.get(type(error), Code.PROVIDER_REFUSED), str(error))
