"""What leaves the app: plans, rows of deliveries and outbound records; and the receipts of connectors about them.

All of it may run again: a plan that exists is taken as it is, rows are written under the same positions, and a
connector knows what it has sent.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from chat4all.directory.channels import ChannelDirectory, Link, LinkState
from chat4all.directory.port import Directory, Role
from chat4all.log.port import OUTBOUND, Entry, Log, outbound_topic
from chat4all.model import frames, outbound, records
from chat4all.model.channels import ALL, APP
from chat4all.model.delivery import State
from chat4all.model.ids import is_contact
from chat4all.model.outbound import STATE_COLUMNS, DeliveryKey, DeliveryWrite, Plan, Target
from chat4all.model.positions import Position
from chat4all.model.rows import Row, TimelineEntry, iso
from chat4all.routing.intake import PositionedRecord
from chat4all.routing.planning import (
    Labels,
    Party,
    Reachability,
    plan_change,
    plan_message,
    plan_retry,
    reachable,
    without_refused,
)
from chat4all.routing.sequencer import SequencedRow
from chat4all.store.ledger import Ledger
from chat4all.store.port import Store
from chat4all.telemetry.traces import Headers

_encode = msgspec.json.Encoder().encode

Members = Mapping[str, Sequence[str]]  # usernames, by conversation


class Dispatch:
    """A dispatch plans what leaves the app, and keeps what connectors tell of it. Every method raises
    EngineUnavailableError."""

    def __init__(
        self, *, log: Log, store: Store, ledger: Ledger, directory: Directory, channels: ChannelDirectory
    ) -> None:
        self._log = log
        self._store = store
        self._ledger = ledger
        self._directory = directory
        self._channels = channels

    async def send(
        self, placed: Sequence[SequencedRow], notes: Sequence[PositionedRecord], members: Members
    ) -> list[tuple[str, bytes]]:
        """Plan what leaves the app, keep the plans, and append their outbound records. `members`: of the conversations
        of `placed`.

        Return frames, each with its conversation, about recipients to whom nothing can be sent.
        """
        plans = await self._plan_messages([one for one in placed if _leaves(one.row)], members)
        plans |= await self._plan_changes([one for one in placed if one.target is not None])
        orders = [one for one in placed if one.row.message_id in plans]
        entries = [entry for one in orders for entry in _entries(one, plans[one.row.message_id])]
        writes = [
            write for one in orders for write in _rows(plans[one.row.message_id], one.row.position, one.row.created_at)
        ]
        events = [event for one in orders for event in _refusals(plans[one.row.message_id], one.row)]
        retries = [note for note in notes if isinstance(note.record, records.Retry)]
        if retries:
            retry_entries, retry_writes, retry_events = await self._retry(retries)
            entries, writes, events = entries + retry_entries, writes + retry_writes, events + retry_events
        await self._ledger.put_deliveries(writes)
        await self._store.put_timeline(events)
        if entries:
            await self._append(entries)
        return [
            (one.row.conversation_id, frames.encode(frame))
            for one in orders
            for frame in _refused(plans[one.row.message_id], one.row)
        ]

    async def receive(self, notes: Sequence[PositionedRecord]) -> list[tuple[str, bytes]]:
        """Store the receipts of connectors. Return the frames about them, each with its conversation."""
        receipts = [(note, note.record) for note in notes if isinstance(note.record, records.DeliveryReceipt)]
        await self._ledger.put_deliveries([_write(note.position, record) for note, record in receipts])
        await self._store.put_timeline([_timeline(note, record) for note, record in receipts])
        return [(record.conversation_id, frames.encode(_frame(record))) for _, record in receipts]

    async def _plan_messages(self, placed: Sequence[SequencedRow], members: Members) -> dict[str, Plan]:
        if not placed:
            return {}
        people = {username for one in placed for username in members[one.row.conversation_id]}
        links = await self._channels.links_of(people)
        named = any(set(one.row.channels) - {APP, ALL} for one in placed)
        if not named and not any(links.values()) and not any(map(is_contact, people)):
            return {}
        connectors = await self._channels.connectors()
        registered = {one.name for one in connectors if one.is_planned}
        labels = Labels(by_connector={one.name: one.spec.get("senderLabel", "Auto") for one in connectors})
        parties = await self._parties(people, links)
        plans = []
        for one in placed:
            present = [parties[username] for username in members[one.row.conversation_id] if username in parties]
            plan = plan_message(one.row, present, labels, registered)
            if plan.targets:
                plans.append(plan)
        return await self._ledger.plan(plans)

    async def _parties(self, people: Iterable[str], links: Mapping[str, Sequence[Link]]) -> dict[str, Party]:
        users = await self._directory.users(list(people))
        return {
            username: Party(
                username=username,
                role=Role(user.role),
                name=user.display_name or username,
                links=links.get(username, ()),
            )
            for username, user in users.items()
        }

    async def _plan_changes(self, placed: Sequence[SequencedRow]) -> dict[str, Plan]:
        targets = {one.row.message_id: one.target.message_id for one in placed if one.target is not None}
        originals = await self._ledger.plans(set(targets.values()))
        if not originals:
            return {}
        deliveries = await self._ledger.deliveries(originals.keys())
        plans = [
            plan_change(record_id, originals[message_id], deliveries.get(message_id, []))
            for record_id, message_id in targets.items()
            if message_id in originals
        ]
        edits = {one.row.message_id: one.row.conversation_id for one in placed if one.row.kind == "edit"}
        reached = await self._reached(set(edits.values()), plans)
        plans = [
            # A delete follows a message to everyone who got it; an edit is only for those who are still members.
            without_refused(reachable(plan, edits[plan.record_id], reached)) if plan.record_id in edits else plan
            for plan in plans
        ]
        return await self._ledger.plan([plan for plan in plans if plan.targets])

    async def _reached(self, conversation_ids: Collection[str], plans: Sequence[Plan]) -> Reachability:
        """Return the members of these conversations, and the proven links and registered connectors, as they are
        now."""
        if not any(plan.targets for plan in plans):
            return Reachability({}, frozenset(), frozenset())
        members = await self._directory.members(conversation_ids)
        people = {target.recipient for plan in plans for target in plan.targets}
        links = await self._channels.links_of(people)
        return Reachability(
            members,
            frozenset(link.link_id for some in links.values() for link in some if link.state is not LinkState.PENDING),
            frozenset(one.name for one in await self._channels.connectors() if one.is_planned),
        )

    async def _retry(
        self, arrivals: Sequence[PositionedRecord]
    ) -> tuple[list[Entry], list[DeliveryWrite], list[TimelineEntry]]:
        wanted = [(one, one.record) for one in arrivals if isinstance(one.record, records.Retry)]
        ids = {record.message_id for _, record in wanted}
        originals, deliveries = await self._ledger.plans(ids), await self._ledger.deliveries(ids)
        rows = await self._rows_of(originals.keys())
        plans = [
            plan_retry(
                record.id, record.message_id, originals[record.message_id], deliveries.get(record.message_id, [])
            )
            for _, record in wanted
            if record.message_id in rows
        ]
        places = {record.id: record.conversation_id for _, record in wanted}
        reached = await self._reached(set(places.values()), plans)
        plans = [reachable(plan, places[plan.record_id], reached) for plan in plans]
        stored = await self._ledger.plan([plan for plan in plans if plan.targets])
        entries: list[Entry] = []
        writes: list[DeliveryWrite] = []
        events: list[TimelineEntry] = []
        for arrival, record in wanted:
            if record.id in stored:
                row, plan = rows[record.message_id], stored[record.id]
                targets = [one for one in plan.targets if not one.reason]
                entries += [_sending(row, plan, one, arrival.trace) for one in targets]
                writes += _rows(plan, arrival.position, arrival.at)
                event = record.message_id, arrival.at, "retried", record.user_id, "", arrival.position
                events.append(TimelineEntry(*event))
        return entries, writes, events

    async def _rows_of(self, message_ids: Iterable[str]) -> dict[str, Row]:
        """Return these messages as they stand now, by id, without those that were deleted."""
        index = await self._store.index(set(message_ids))
        rows = await self._store.rows({(one.conversation_id, one.seq) for one in index.values()})
        return {row.message_id: row for row in rows.values() if row.deleted_at is None}

    async def _append(self, entries: Sequence[Entry]) -> None:
        try:
            await self._log.append(entries)
        except LookupError:  # the topic of a connector does not exist yet
            await self._log.create([outbound_topic(one.topic.removeprefix(OUTBOUND)) for one in entries])
            await self._log.append(entries)


def _leaves(row: Row) -> bool:
    return row.kind == "message" and any(channel != APP for channel in row.channels)


def _rows(plan: Plan, position: Position, at: int) -> Iterable[DeliveryWrite]:
    """Yield a row for each target, so that every intended recipient has a state from the start."""
    for target in plan.targets:
        failure: dict[str, Any] = {"failed_at": at, "reason": target.reason} if target.reason else {}
        yield DeliveryWrite(
            key=_key(plan, target),
            position=position,
            connector=target.connector,
            destination=target.destination,
            **failure,
        )


def _refusals(plan: Plan, row: Row) -> Iterable[TimelineEntry]:
    """Yield a timeline entry for each target to which nothing can be sent, like those about connectors' receipts."""
    for target in plan.targets:
        if target.reason:
            detail = f"{target.connector}, {target.reason}"
            yield TimelineEntry(plan.message_id, row.created_at, "failed", target.recipient, detail, row.position)


def _refused(plan: Plan, row: Row) -> Iterable[frames.Frame]:
    for target in plan.targets:
        if target.reason:
            place = row.conversation_id, plan.message_id, target.recipient, target.connector
            yield _Told(*place, State.FAILED, target.reason, row.created_at).frame()


def _key(plan: Plan, target: Target) -> DeliveryKey:
    """Return the key of a target's delivery. An edit and a delete are delivered once, a message once in each
    generation."""
    generation = target.generation if plan.record_id != plan.message_id else 0
    return DeliveryKey(record_id=plan.message_id, recipient=target.recipient, link=target.link, generation=generation)


def _entries(one: SequencedRow, plan: Plan) -> Iterable[Entry]:
    for target in plan.targets:
        if target.reason:
            continue
        if one.target is None:
            yield _sending(one.row, plan, target, one.arrival.trace)
        else:
            yield _changing(one, target, one.target.message_id)


def _sending(row: Row, plan: Plan, target: Target, trace: Headers) -> Entry:
    text = f"{target.label}: {row.text}" if target.label else row.text
    place = _place(row.conversation_id, plan.record_id, row.message_id, target)
    return _entry(target, outbound.OutboundSend(**place, text=text, answers=row.reply_to), trace)


def _changing(one: SequencedRow, target: Target, message_id: str) -> Entry:
    place = _place(one.row.conversation_id, one.row.message_id, message_id, target)
    record = one.arrival.record
    if isinstance(record, records.Edit):
        text = f"{target.label}: {record.content}" if target.label else record.content
        edit = outbound.OutboundEdit(**place, text=text, sent_generation=target.generation)
        return _entry(target, edit, one.arrival.trace)
    return _entry(target, outbound.OutboundDelete(**place, sent_generation=target.generation), one.arrival.trace)


def _place(conversation_id: str, record_id: str, message_id: str, target: Target) -> dict[str, Any]:
    return {
        "record_id": record_id,
        "message_id": message_id,
        "conversation_id": conversation_id,
        "recipient": target.recipient,
        "link": target.link,
        "generation": target.generation,
        "destination": target.destination,
    }


def _entry(target: Target, record: outbound.Outbound, trace: Headers) -> Entry:
    return Entry(outbound_topic(target.connector).name, target.destination.encode(), _encode(record), trace)


def _write(position: Position, record: records.DeliveryReceipt) -> DeliveryWrite:
    columns: dict[str, Any] = {STATE_COLUMNS[record.state]: record.at}
    if record.parts:
        columns["parts"] = record.parts
    if record.reason:
        columns["reason"] = record.reason
    columns |= {"connector": record.connector, "destination": record.destination}
    return DeliveryWrite(key=record.delivery, position=position, **columns)


def _timeline(note: PositionedRecord, record: records.DeliveryReceipt) -> TimelineEntry:
    details = [record.connector, record.reason]
    if record.parts > 1:
        details.append(f"part {record.delivery.part + 1} of {record.parts}")
    elif record.delivery.part:  # a provider tells of one part, and does not know of the others
        details.append(f"part {record.delivery.part + 1}")
    if record.delivery.generation:
        details.append(f"retry {record.delivery.generation}")
    if record.doubts:
        details.append(f"{record.doubts} attempt{'s' if record.doubts > 1 else ''} in doubt")
    who, detail = record.delivery.recipient, ", ".join(filter(None, details))
    return TimelineEntry(record.message_id, note.at, f"{record.state}", who, detail, note.position)


def _frame(record: records.DeliveryReceipt) -> frames.Frame:
    place = record.conversation_id, record.message_id, record.delivery.recipient, record.connector
    return _Told(*place, record.state, record.reason, record.at).frame()


class _Told(NamedTuple):
    """The members of a conversation are told this of a delivery. `at`: ms."""

    conversation_id: str
    message_id: str
    recipient: str
    connector: str
    state: State
    reason: str
    at: int

    def frame(self) -> frames.Frame:
        fields = self._asdict()
        at = fields.pop("at")
        return {
            "type": "delivery",
            **fields,
            "state": str(self.state),
            "reason": self.reason or None,
            "timestamp": iso(at),
        }
