"""A consumer group in memory: which member owns which partition, as a Kafka coordinator would decide it."""

import asyncio
from collections.abc import Callable

from chat4all.log.port import Assignment


class GroupMember:
    """A member is one consumer's place in the group. After it left or was expelled it joins again as a newcomer.

    `seen`: when it last polled, on the group's clock."""

    def __init__(self) -> None:
        self.seen = 0.0


class ConsumerGroup:
    """A group knows its members and their assignments.

    A member that does not poll for `session_seconds` is expelled when another one polls. `changed` is set, and replaced
    by a new event, whenever partitions were given anew.
    """

    def __init__(self, topic: str, clock: Callable[[], float], session_seconds: float) -> None:
        self.topic = topic
        self.changed = asyncio.Event()
        self._clock = clock
        self._session_seconds = session_seconds
        self._members: dict[GroupMember, frozenset[Assignment]] = {}
        self._partitions = 0

    def join(self, member: GroupMember, partitions: int) -> frozenset[Assignment]:
        """Note a poll of this member, and expel members that went silent. Return what the member owns now."""
        now = self._clock()
        member.seen = now
        silent = [other for other in self._members if now - other.seen > self._session_seconds]
        for other in silent:
            del self._members[other]
        if silent or member not in self._members or partitions != self._partitions:
            self._members.setdefault(member, frozenset())
            self._partitions = partitions
            self._rebalance()
        return self._members[member]

    def leave(self, member: GroupMember) -> None:
        """Give all partitions of this member to the others at once."""
        if self._members.pop(member, None) is not None:
            self._rebalance()

    def owned(self, member: GroupMember) -> frozenset[Assignment]:
        """Return what the member owns now: nothing once it was expelled."""
        return self._members.get(member, frozenset())

    def _rebalance(self) -> None:
        """Give every partition anew. All assignments are new objects, so nothing that a member kept by an old one is
        used again."""
        members = list(self._members)
        for turn, member in enumerate(members):
            parts = range(turn, self._partitions, len(members))
            self._members[member] = frozenset(Assignment(self.topic, part) for part in parts)
        self.changed.set()
        self.changed = asyncio.Event()
