"""What is registered, as it was last read: one list for all connectors every few seconds, and the answers to puts."""

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from chat4all_operator import reports
from chat4all_operator.observed import Refused, Row
from chat4all_operator.registry import RefusedError, Registry, RegistryError
from chat4all_operator.template import digest

_logger = logging.getLogger(__name__)


class _Refusal(NamedTuple):
    """What was asked for, by its digest, and why it was refused; it is asked again after the time."""

    asked: str
    refused: Refused
    until: float


class Failure(NamedTuple):
    """A change that could not be made, as a database cannot be written, say; it is tried again at the time."""

    reason: str
    message: str
    again: float


_AWAY_SECONDS = 12.0
_TRY_AGAIN_SECONDS = 5.0
_ASK_AGAIN_SECONDS = 30.0  # what was refused may be taken by then: an inbox's user was made, say


class Registered:
    """`on_change` is called with the uids whose row or reports have changed; `away_seconds`: for how long no answer has
    to come until the API is said to be away."""

    def __init__(
        self, registry: Registry, on_change: Callable[[set[str]], None], *, away_seconds: float = _AWAY_SECONDS
    ) -> None:
        self._away_seconds = away_seconds
        self._registry = registry
        self._on_change = on_change
        self._rows: dict[str, Row] = {}
        self._uids: dict[str, str] = {}  # of rows, by id
        self._refusals: dict[str, _Refusal] = {}
        self._failures: dict[str, Failure] = {}
        self._taken: dict[str, tuple[str, str]] = {}  # what was put last, and what was answered, by their digests
        self._limited: dict[str, dt.datetime] = {}
        self._forgotten: set[str] = set()  # those whose deletion was asked for here
        self._met: set[str] = set()  # those that were ever seen here
        self._away_since: dt.datetime | None = None
        self.seen = False  # whether rows were ever read
        self.read_at = dt.datetime.min.replace(tzinfo=dt.UTC)  # when they were last asked for, if that was answered
        self.problem = ""
        self.reason = ""

    def row(self, uid: str, connector_id: str) -> Row | None:
        """Return the row of this uid, or the one of another uid that has the id, or None."""
        return self._rows.get(uid) or self._rows.get(self._uids.get(connector_id, ""))

    def rows(self) -> Sequence[Row]:
        """Return every row that was last read."""
        return list(self._rows.values())

    def refused(self, uid: str, body: Mapping[str, Any]) -> Refused | None:
        """Return why exactly this was refused, if it was, and that is not long ago."""
        found = self._refusals.get(uid)
        if found is None or found.asked != digest(body) or found.until < asyncio.get_running_loop().time():
            return None
        return found.refused

    def is_taken(self, uid: str, body: Mapping[str, Any]) -> bool:
        """Return whether what is registered is the answer to exactly this, which was put last."""
        row = self._rows.get(uid)
        return row is not None and self._taken.get(uid) == (digest(body), digest([dict(row.spec), row.state]))

    def is_forgotten(self, uid: str) -> bool:
        """Return whether this process has asked for the registration to be deleted."""
        return uid in self._forgotten

    def has_met(self, uid: str) -> bool:
        """Return whether this process has ever seen the registration."""
        return uid in self._met

    def failure(self, uid: str) -> Failure | None:
        """Return why the last change of this registration could not be made, until that is to be tried again."""
        found = self._failures.get(uid)
        if found is not None and found.again <= asyncio.get_running_loop().time():
            del self._failures[uid]  # it may have been made all the same, or is wanted no longer
            return None
        return found

    def limited_since(self, uid: str) -> dt.datetime | None:
        """Return since when its pods have said without interruption that the provider makes them wait."""
        return self._limited.get(uid)

    async def poll(self) -> None:
        """Read the list once. What cannot be read leaves what was known, and is said as the problem."""
        before, began = self.problem, dt.datetime.now(dt.UTC)
        try:
            found = await self._registry.rows()
        except (RegistryError, RefusedError) as error:
            self._away_since = self._away_since or began
            # One answer that did not come says nothing yet: what is known stays for some time.
            if not self.seen or (began - self._away_since).total_seconds() >= self._away_seconds or self.problem:
                self.problem, self.reason = str(error) or repr(error), getattr(error, "reason", "APIRefuses")
            if self.problem != before:
                _logger.warning("%s", self.problem)
        else:
            self.problem, self.reason, self.seen, self.read_at = "", "", True, began
            self._away_since = None
            self._note({one.uid: one for one in found})
        if self.problem != before:
            self._on_change(set(self._rows))

    async def put(self, uid: str, body: Mapping[str, Any], *, unregister: bool) -> None:
        """Register a connector; a refusal is remembered. Raises RegistryError, which is remembered too."""
        try:
            row = await self._registry.put(uid, body, unregister=unregister)
        except RegistryError as error:
            self._note_failure(uid, error)
            raise
        except RefusedError as error:
            self._failures.pop(uid, None)
            until = asyncio.get_running_loop().time() + _ASK_AGAIN_SECONDS
            self._refusals[uid] = _Refusal(digest(body), error.refused, until)
        else:
            self._refusals.pop(uid, None)
            self._failures.pop(uid, None)
            self._taken[uid] = (digest(body), digest([dict(row.spec), row.state]))
            self._met.add(uid)
            self._rows.pop(self._uids.get(row.id, ""), None)
            self._rows[uid] = row
            self._uids[row.id] = uid

    def keep_only(self, uids: Collection[str]) -> None:
        """Forget what was remembered of connectors that are gone."""
        kept: tuple[dict[str, Any], ...] = (self._refusals, self._failures, self._taken, self._limited)
        for memory in kept:
            for uid in [uid for uid in memory if uid not in uids and uid not in self._rows]:
                del memory[uid]
        self._forgotten &= set(uids)
        self._met &= set(uids)

    async def disable(self, uid: str) -> None:
        """Disable a registration. Raises RegistryError, RefusedError."""
        await self._registry.disable(uid)

    async def forget(self, uid: str) -> None:
        """Delete a registration; one that is somebody else's is left. Raises RegistryError, which is remembered."""
        self._forgotten.add(uid)  # also where its answer is lost: it was asked for when nothing was left to be told
        try:
            await self._registry.forget(uid)
        except RegistryError as error:
            self._note_failure(uid, error)
            raise
        except RefusedError as error:
            _logger.warning("The registration %s stays: %s", uid, error)
        for one in (self._rows, self._refusals, self._failures, self._taken):
            one.pop(uid, None)

    def _note_failure(self, uid: str, error: RegistryError) -> None:
        again = asyncio.get_running_loop().time() + _TRY_AGAIN_SECONDS
        self._failures[uid] = Failure(error.reason, str(error), again)

    def _note(self, rows: dict[str, Row]) -> None:
        now = dt.datetime.now(dt.UTC)
        changed = {uid for uid in {*rows, *self._rows} if _facts(rows.get(uid)) != _facts(self._rows.get(uid))}
        for uid, row in rows.items():
            if reports.is_limited(row.reports):
                self._limited.setdefault(uid, now)
            elif self._limited.pop(uid, None) is not None:
                changed.add(uid)
        self._met.update(rows)
        self._rows, self._uids = rows, {one.id: uid for uid, one in rows.items()}
        if changed:
            self._on_change(changed)


def _facts(row: Row | None) -> object:
    """What matters of a row: that a report was repeated is no news."""
    if row is None:
        return None
    said = [
        {key: one for key, one in report.items() if key not in {"at", "rateLimitedUntil"}} for report in row.reports
    ]
    return row._replace(reports=tuple(said))
