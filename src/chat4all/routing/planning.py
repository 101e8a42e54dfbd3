"""Who gets a message on which channel: a pure function from the message, the members and their links to a plan.

A recipient who cannot be reached is never left out: their target says why.
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

_TEAM_ROLES: Final = {Role.AGENT, Role.ADMIN, Role.SERVICE}


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """A party is a member of the conversation with their links. `name`: the name that others see."""

    username: str
    role: Role
    name: str
    links: Sequence[Link] = ()


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """Labels say for each connector whether texts begin with the sender's name: Auto, Always or Never."""

    by_connector: Mapping[str, str] = msgspec.field(default_factory=dict)

    def of(self, connector: str) -> str:
        """Return the setting of this connector, or Auto if it has none."""
        return self.by_connector.get(connector, "Auto")


class Reachability(NamedTuple):
    """Recipients can be reached by these: the members of each conversation, ids of proven links, ids of registered
    connectors."""

    members: Mapping[str, Collection[str]]
    links: frozenset[str]
    connectors: frozenset[str]


def plan_message(message: Row, parties: Sequence[Party], labels: Labels, registered: Collection[str]) -> Plan:
    """Return the plan of a message. Without targets the message does not leave the app, and the plan need not be kept.

    `registered`: the ids of connectors; any other would send nothing.
    """
    sender = message.sender_id
    others = [party for party in parties if party.username != sender]
    name = next((party.name for party in parties if party.username == sender), sender)
    crowd = sum(party.role not in _TEAM_ROLES for party in parties) >= 2
    targets = [target for party in others for target in _of_party(party, message.channels, registered)]
    return Plan(
        record_id=message.message_id,
        message_id=message.message_id,
        targets=tuple(_labelled(target, name, labels.of(target.connector), crowd=crowd) for target in targets),
    )


def plan_change(record_id: str, original: Plan, deliveries: Sequence[Delivery]) -> Plan:
    """Return the plan of an edit or a delete: it goes where the message went, in the newest generation there."""
    newest = _newest(deliveries)
    targets = [
        msgspec.structs.replace(target, generation=newest.get((target.recipient, target.link), 0))
        for target in original.targets
        if not target.reason
    ]
    return Plan(record_id=record_id, message_id=record_id, targets=tuple(targets))


def plan_retry(record_id: str, message_id: str, original: Plan, deliveries: Sequence[Delivery]) -> Plan:
    """Return the plan of a retry: what has failed in its newest generation is sent in the next one."""
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


def reachable(plan: Plan, conversation_id: str, now: Reachability) -> Plan:
    """Return the plan of a change or a retry as things stand now: targets of users who have left or are not linked any
    more, and of connectors that were removed, get a reason."""
    members = now.members.get(conversation_id, ())

    def checked(target: Target) -> Target:
        if target.connector not in now.connectors:
            return msgspec.structs.replace(target, reason="ConnectorDeleted")
        if target.recipient not in members or target.link not in now.links:
            return msgspec.structs.replace(target, reason="NoLink")
        return target

    return msgspec.structs.replace(plan, targets=tuple(map(checked, plan.targets)))


def without_refused(plan: Plan) -> Plan:
    """Return the plan without the targets to which nothing can be sent."""
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
        missing = [ALL]  # a contact has no app either: nothing reaches them
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
