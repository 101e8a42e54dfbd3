"""The router works in rounds: sequence, store, tell, commit. Any number of routers may run; the log gives each its
partitions.

A round takes the records that wait in all partitions, so that every step is one call for all of them. It may end
anywhere: the next one does all of it again with the same values. Late writes of a router that slept do no harm
(invariant 4).
"""

import asyncio
import dataclasses
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

import pydantic

from chat4all.backoff import Backoff
from chat4all.directory.port import Directory
from chat4all.log.port import CONVERSATIONS, Assignment, Batch, Consumer, Log, OffsetOutOfRangeError
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.records import SequencedRecord
from chat4all.realtime.port import Realtime
from chat4all.routing import sequencer
from chat4all.routing.dispatch import Dispatch
from chat4all.routing.effects import Effects
from chat4all.routing.heads import HeadCaches
from chat4all.routing.intake import Intake, Stop, take_in
from chat4all.routing.timeline import timeline
from chat4all.store.port import Store
from chat4all.telemetry.metrics import Metrics
from chat4all.telemetry.traces import Traces

_log = logging.getLogger(__name__)

GROUP: Final = "chat4all.router"
_FIRST_RETRY_SECONDS: Final = 0.1


class RoutingSettings(pydantic.BaseModel):
    """The router."""

    batch: int = pydantic.Field(
        500, ge=1, le=10_000, json_schema_extra={"unit": "records"}, description="What one round takes, at most."
    )
    poll_seconds: float = pydantic.Field(
        1.0, gt=0, le=10, json_schema_extra={"unit": "s"}, description="How long a round waits for records, at most."
    )
    commit_seconds: float = pydantic.Field(
        0.1,
        ge=0,
        le=5,
        json_schema_extra={"unit": "s"},
        description="How long what is done waits for its commit, at most, while more comes: what is done again after "
        "a crash.",
    )
    retry_seconds: float = pydantic.Field(
        3.0,
        gt=0,
        le=5,
        json_schema_extra={"unit": "s"},
        description="The longest pause between tries while an engine is away; the first ones are shorter.",
    )


@dataclasses.dataclass(slots=True)
class Round:
    """A round holds what was taken from each partition and how it was sequenced. `began`: ns since 1970."""

    began: int
    intakes: Sequence[Intake]
    sequenced: dict[Assignment, sequencer.SequencedBatch]

    @property
    def placed(self) -> list[sequencer.SequencedRow]:
        return [one for part in self.sequenced.values() for one in part.placed]


class Router:
    """A router is one consumer of the conversations. `dispatch`: plans what leaves the app; `epoch`: of the topic, as
    the directory has it."""

    def __init__(
        self,
        *,
        log: Log,
        store: Store,
        directory: Directory,
        realtime: Realtime,
        dispatch: Dispatch,
        metrics: Metrics,
        epoch: int,
        settings: RoutingSettings,
        traces: Traces | None = None,
    ) -> None:
        self._log = log
        self._store = store
        self._metrics = metrics
        self._traces = traces or Traces()
        self._epoch = epoch
        self._settings = settings
        self._consumer: Consumer = log.consumer(GROUP, CONVERSATIONS)
        self._heads = HeadCaches(store)
        self._effects = Effects(log=log, store=store, directory=directory, realtime=realtime, dispatch=dispatch)
        self._stopped: dict[Assignment, str] = {}
        self._reported: set[str] = set()
        self._owned: frozenset[Assignment] = frozenset()
        self._done: dict[Assignment, int] = {}  # the offsets to commit
        self._commit_at = 0.0  # on time.monotonic: from then on they are committed even while more records come
        self._failures = 0
        self._backoff = Backoff(_FIRST_RETRY_SECONDS, settings.retry_seconds)
        self._ending = False

    @property
    def stopped(self) -> dict[str, str]:
        """These partitions wait for an operator, each with the reason. While there is one, this router is not ready."""
        return {f"{a.topic}/{a.partition}": reason for a, reason in self._stopped.items()}

    async def run(self) -> None:
        """Route until `end` is called. While an engine is away the router waits for it; anything that is raised here is
        a fault in the code."""
        try:
            while not self._ending:
                await self.turn()
            await self._commit_last()
        finally:
            await self._consumer.close()

    def end(self) -> None:
        """Let `run` finish its round, commit it, leave the group and return."""
        self._ending = True

    async def turn(self) -> int:
        """Poll once and route one round. Return how many records it took: 0 also where an engine is away."""
        batches: list[Batch] = []
        try:
            batches = await self._poll()
            if batches:
                await self._round(batches)
            if self._done and (not batches or _now() >= self._commit_at):
                await self._commit()
            await self._effects.sweep_if_due()
            await self._report()
        except EngineUnavailableError as error:
            await self._put_off(batches, error)
            return 0
        self._failures = 0
        return sum(len(batch.records) for batch in batches)

    async def _poll(self) -> list[Batch]:
        wait = self._settings.poll_seconds
        if self._done:
            wait = min(wait, max(0.0, self._commit_at - _now()))
        try:
            batches = await self._consumer.poll(max_records=self._settings.batch, timeout=wait)
        except OffsetOutOfRangeError as error:
            self._stop(error.assignment, str(error))
            batches = []
        self._forget_lost()
        return batches

    async def _round(self, batches: Sequence[Batch]) -> None:
        intakes = [take_in(batch, self._epoch) for batch in batches]
        await self._bury(intakes)
        round_ = await self._sequence(intakes)
        await self._write(round_)
        await self._tell(round_)
        self._finish(round_)
        self._stop_where_due(round_)

    async def _bury(self, intakes: Sequence[Intake]) -> None:
        dead = [entry for intake in intakes for entry in intake.dead]
        if dead:
            await self._log.append(dead)
            self._metrics.dead_letters.inc(len(dead))
            _log.warning("%d entries could not be read and went to the dead letters", len(dead))

    async def _sequence(self, intakes: Sequence[Intake]) -> Round:
        began = time.time_ns()
        heads = await self._heads.load({intake.assignment: _conversations(intake) for intake in intakes})
        wanted = [sequencer.ids_to_look_up(intake.arrivals, heads[intake.assignment]) for intake in intakes]
        ids = set().union(*wanted)
        index = await self._store.index(ids) if ids else {}
        return Round(
            began,
            intakes,
            {i.assignment: sequencer.sequence(i.arrivals, heads[i.assignment], index) for i in intakes},
        )

    async def _write(self, round_: Round) -> None:
        """Write rows and index, then heads, so that a reader never sees a hole. Only then cache the heads."""
        await self._put_rows(round_)
        await self._put_heads(round_)
        for assignment, part in round_.sequenced.items():
            self._heads.moved(assignment, part.heads)

    async def _put_rows(self, round_: Round) -> None:
        changes = [change for part in round_.sequenced.values() for change in part.changes]
        entries = [entry for one in round_.placed for entry in timeline(one)]
        await self._store.put_rows([one.row for one in round_.placed], changes, entries)

    async def _put_heads(self, round_: Round) -> None:
        await self._store.put_heads([head for part in round_.sequenced.values() for head in part.heads.values()])

    async def _tell(self, round_: Round) -> None:
        notes = [note for part in round_.sequenced.values() for note in part.notes]
        await self._effects.apply(round_.placed, notes)

    def _finish(self, round_: Round) -> None:
        """Note that the round is done, and may be committed from now on."""
        if not self._done:
            self._commit_at = _now() + self._settings.commit_seconds
        for intake in round_.intakes:
            stop = round_.sequenced[intake.assignment].stop
            self._done[intake.assignment] = stop.offset if stop else intake.next_offset
        self._count(round_)
        self._trace(round_)

    async def _commit(self) -> None:
        lost = await self._consumer.commit(self._done)
        self._metrics.lost_assignments.inc(len(lost))
        self._done.clear()

    async def _commit_last(self) -> None:
        try:
            if self._done:
                await self._commit()
        except EngineUnavailableError as error:
            _log.warning("The last rounds are not committed, and will be done again: %s", error)

    def _count(self, round_: Round) -> None:
        now = time.time()
        for one in round_.placed:
            if one.replay:
                self._metrics.replays.inc()
            else:
                self._metrics.routed.labels(one.row.kind).inc()
                self._metrics.route_seconds.observe(max(0.0, now - one.row.created_at / 1000))
        for part in round_.sequenced.values():
            self._metrics.skipped_repeats.inc(part.repeats)
            for note in part.notes:
                self._metrics.routed.labels(str(note.record.__struct_config__.tag)).inc()

    def _trace(self, round_: Round) -> None:
        now = time.time_ns()
        for intake in round_.intakes:
            for one in intake.arrivals:
                self._traces.note("route", one.trace, round_.began, now, partial(_where, intake.assignment, one.offset))

    def _stop_where_due(self, round_: Round) -> None:
        for intake in round_.intakes:
            stop: Stop | None = round_.sequenced[intake.assignment].stop or intake.stop
            if stop:
                self._stop(intake.assignment, f"offset {stop.offset}: {stop.reason}")

    def _stop(self, assignment: Assignment, reason: str) -> None:
        """Stop a partition. By invariants 3 and 8 nothing is skipped: it waits, this router is not ready, and a metric
        shows it to an alarm."""
        self._consumer.pause(assignment)
        self._stopped[assignment] = reason
        self._metrics.stopped.set(len(self._stopped))
        _log.error("STOPPED %s/%d: %s", assignment.topic, assignment.partition, reason)

    def _forget_lost(self) -> None:
        owned = self._consumer.assignments()
        self._metrics.moved.inc(len(self._owned - owned))
        self._owned = owned
        self._heads.keep_only(owned)
        self._stopped = {assignment: reason for assignment, reason in self._stopped.items() if assignment in owned}
        lost = self._done.keys() - owned
        self._metrics.lost_assignments.inc(len(lost))
        for assignment in lost:
            del self._done[assignment]
        self._metrics.stopped.set(len(self._stopped))

    async def _put_off(self, batches: Sequence[Batch], error: EngineUnavailableError) -> None:
        """Read the same records again after a moment: by invariant 8 an engine that is away is no reason to bury
        them."""
        for batch in batches:
            self._consumer.seek(batch.assignment, batch.records[0].offset)
        self._heads.keep_only(())  # which of them were written is unknown: read them again
        self._metrics.engine_retries.labels(error.engine).inc()
        self._failures += 1
        if self._failures == 1:
            _log.warning("Routing waits: %s", error)
        await asyncio.sleep(self._backoff.wait(self._failures))

    async def _report(self) -> None:
        lag = {str(assignment.partition): behind for assignment, behind in (await self._consumer.lag()).items()}
        for partition in self._reported - lag.keys():
            self._metrics.lag.remove(partition)  # another router reports it now
        for partition, behind in lag.items():
            self._metrics.lag.labels(partition).set(behind)
        self._reported = set(lag)


_now = time.monotonic


def _where(assignment: Assignment, offset: int) -> dict[str, str | int]:
    return {"log.topic": assignment.topic, "log.partition": assignment.partition, "log.offset": offset}


def _conversations(intake: Intake) -> set[str]:
    return {a.record.conversation_id for a in intake.arrivals if isinstance(a.record, SequencedRecord)}
