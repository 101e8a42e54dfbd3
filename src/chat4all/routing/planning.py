"""Who gets a message where: a pure function from the message, the members and their links to a plan.

Refusal is a state with a reason, never silence: whoever was meant and cannot be reached has a target that says why.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from chat4all.directory.channels import Link, LinkState
from chat4all.directory.port import Role
from chat4all.model.channels import ALL, APP
from chat4all.model.delivery import State
from chat4all.model.ids import is_contact
from chat4all.model.outbound import Delivery, Plan, Target
from chat4all.model.rows import Row

_TEAM: Final = {Role.AGENT, Role.ADMIN, Role.SERVICE}


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody in the conversation. `name`: what others are shown."""

    username: str
    role: Role
    name: str
    links: Sequence[Link] = ()


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """How a connector shows who has written: Auto, Always or Never."""

    by_connector: Mapping[str, str] = msgspec.field(default_factory=dict)

    def of(self, connector: str) -> str:
        """Its own, else Auto."""
        return self.by_connector.get(connector, "Auto")


class Reached(NamedTuple):
    """The members of each conversation, ids of proven links, ids of registered connectors."""

    members: Mapping[str, Collection[str]]
    links: frozenset[str]
    connectors: frozenset[str]


def plan_message(message: Row, parties: Sequence[Party], labels: Labels, registered: Collection[str]) -> Plan:
    """The plan of a message. Without targets it does not leave the app, and no plan need be kept.

    `registered`: the ids of connectors; of one that is gone nothing would be sent.
    """
    sender = message.sender_id
    others = [party for party in parties if party.username != sender]
    name = next((party.name for party in parties if party.username == sender), sender)
    crowd = sum(party.role not in _TEAM for party in parties) >= 2
    targets = [target for party in others for target in _of_party(party, message.channels, registered)]
    return Plan(
        record_id=message.message_id,
        message_id=message.message_id,
        targets=tuple(_labelled(target, name, labels.of(target.connector), crowd=crowd) for target in targets),
    )


def plan_change(record_id: str, original: Plan, deliveries: Sequence[Delivery]) -> Plan:
    """The plan of an edit or a delete: where the message went, in the generation that counts."""
    newest = _newest(deliveries)
    targets = [
        msgspec.structs.replace(target, generation=newest.get((target.recipient, target.link), 0))
        for target in original.targets
        if not target.reason
    ]
    return Plan(record_id=record_id, message_id=record_id, targets=tuple(targets))


def plan_retry(record_id: str, message_id: str, original: Plan, deliveries: Sequence[Delivery]) -> Plan:
    """The plan of a retry: what has failed in the generation that counts, in the next one."""
    newest = _newest(deliveries)
    failed = {
        (one.key.recipient, one.key.link)
        for one in deliveries
        if one.state is State.FAILED and one.key.generation == newest[one.key.recipient, one.key.link]
    }
    targets = [
        msgspec.structs.replace(target, generation=newest[place] + 1, reason="")
        for target in original.targets
        if (place := (target.recipient, target.link)) in failed and target.link
    ]
    return Plan(record_id=record_id, message_id=message_id, targets=tuple(targets))


def reachable(plan: Plan, conversation_id: str, now: Reached) -> Plan:
    """The plan of a change or a retry as things stand now: who has left or is not linked any more gets nothing."""
    there = now.members.get(conversation_id, ())

    def look(target: Target) -> Target:
        if target.connector not in now.connectors:
            return msgspec.structs.replace(target, reason="ConnectorDeleted")
        if target.recipient not in there or target.link not in now.links:
            return msgspec.structs.replace(target, reason="NoLink")
        return target

    return msgspec.structs.replace(plan, targets=tuple(map(look, plan.targets)))


def without_refused(plan: Plan) -> Plan:
    """Of those who are to be told of it only."""
    return msgspec.structs.replace(plan, targets=tuple(one for one in plan.targets if not one.reason))


def _of_party(party: Party, channels: Collection[str], registered: Collection[str]) -> Iterable[Target]:
    proven = [link for link in party.links if link.state is not LinkState.PENDING]
    for link in proven:
        if ALL in channels or link.channel in channels:
            yield Target(
                recipient=party.username,
                link=link.link_id,
                connector=link.connector,
                destination=link.chat,
                reason=_reason(link, registered),
            )
    missing = sorted(set(channels) - {ALL, APP} - {link.channel for link in proven})
    if is_contact(party.username) and not proven and not missing:
        missing = [ALL]  # he has no app either: nothing reaches him
    for channel in missing:
        yield Target(recipient=party.username, link="", connector=channel, destination="", reason="NoLink")


def _reason(link: Link, registered: Collection[str]) -> str:
    if link.connector not in registered:
        return "ConnectorDeleted"
    return (link.reason or "Blocked") if link.state is LinkState.UNREACHABLE else ""


def _labelled(target: Target, name: str, how: str, *, crowd: bool) -> Target:
    shown = how == "Always" or (how == "Auto" and crowd)
    return msgspec.structs.replace(target, label=name) if shown else target


def _newest(deliveries: Sequence[Delivery]) -> dict[tuple[str, str], int]:
    newest: dict[tuple[str, str], int] = {}
    for one in deliveries:
        place = one.key.recipient, one.key.link
        newest[place] = max(newest.get(place, 0), one.key.generation)
    return newest
