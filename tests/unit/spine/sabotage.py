"""Variants with one clause of the invariants taken out. The judge must catch each: a proof must be able to fail."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from chat4all.conversations.acceptance import Acceptance
from chat4all.log.port import Assignment, Batch
from chat4all.model.errors import EngineUnavailableError
from chat4all.routing.heads import HeadCaches
from chat4all.routing.intake import take_in
from chat4all.routing.router import Round, Router


class AnswersBeforeTheAppend(Acceptance):
    """202 whether or not the log took it."""

    async def _append(self, accepted: Any) -> None:
        try:
            await super()._append(accepted)
        except EngineUnavailableError:
            return


class CommitsBeforeTheStore(Router):
    """The offset is committed first, then rows and heads are written."""

    async def _round(self, batches: Sequence[Batch]) -> None:
        round_ = await self._sequence([take_in(batch, self._epoch) for batch in batches])
        await self._bury(round_.intakes)
        self._finish(round_)
        await self._commit()
        await self._write(round_)
        await self._tell(round_)


class WritesTheHeadBeforeTheRows(Router):
    """Readers are told of rows that are not there yet."""

    async def _write(self, round_: Round) -> None:
        await self._put_heads(round_)
        await self._put_rows(round_)
        for assignment, part in round_.sequenced.items():
            self._heads.moved(assignment, part.heads)


class LooksNothingUp(Router):
    """No index: every record beyond the head is taken for a new one."""

    def __init__(self, **ports: Any) -> None:
        super().__init__(**ports)
        self._store = _WithoutIndex(self._store)


class _WithoutIndex:
    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def index(self, _: Any) -> dict[str, Any]:
        return {}


class KeepsHeadsAcrossAssignments(Router):
    """What was cached of a partition is still believed when the partition comes back."""

    def __init__(self, **ports: Any) -> None:
        super().__init__(**ports)
        self._heads = _Sticky(ports["store"])


class _Sticky(HeadCaches):
    def _cache(self, assignment: Assignment) -> Any:
        return self._caches.setdefault(assignment.partition, {})  # type: ignore[arg-type] # that is the sabotage

    def keep_only(self, assignments: Any) -> None:
        """Keeps all."""


def written_at_the_time_of_day(store: type[Any]) -> type[Any]:
    """Whoever writes last wins, however old what they know."""

    class WritesAtTheTimeOfDay(store):  # type: ignore[misc] # any twin's
        def stamp(self, position: int) -> int:
            _ = position
            return time.time_ns()

    return WritesAtTheTimeOfDay


class Sabotaged(NamedTuple):
    """What is made wrong: a world's classes, or its engines'."""

    world: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    engines: dict[str, Any] = {}  # noqa: RUF012 - see above


SABOTAGED: dict[str, Sabotaged] = {
    "202 before the append": Sabotaged({"acceptance": AnswersBeforeTheAppend}),
    "commit before the store": Sabotaged({"router": CommitsBeforeTheStore}),
    "head before the rows": Sabotaged({"router": WritesTheHeadBeforeTheRows}),
    "dedupe off": Sabotaged({"router": LooksNothingUp}),
    "a cached head kept across assignments": Sabotaged({"router": KeepsHeadsAcrossAssignments}),
    "wall-clock timestamps": Sabotaged(engines={"store": written_at_the_time_of_day}),
}
