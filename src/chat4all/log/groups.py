"""A consumer group in memory: which member owns which partition, as a Kafka coordinator would decide it."""

import asyncio
from collections.abc import Callable

from chat4all.log.port import Assignment


class Member:
    """One consumer's place in the group. A member that left or was expelled joins again as a newcomer."""

    def __init__(self) -> None:
        self.seen = 0.0


class Group:
    """Members and their assignments. Whoever does not poll for `session` seconds is expelled when another one polls."""

    def __init__(self, topic: str, clock: Callable[[], float], session: float) -> None:
        self.topic = topic
        self.changed = asyncio.Event()
        self._clock = clock
        self._session = session
        self._members: dict[Member, frozenset[Assignment]] = {}
        self._partitions = 0

    def join(self, member: Member, partitions: int) -> frozenset[Assignment]:
        """A poll: take part, expel those who went silent, and hear what is owned now."""
        now = self._clock()
        member.seen = now
        silent = [other for other in self._members if now - other.seen > self._session]
        for other in silent:
            del self._members[other]
        if silent or member not in self._members or partitions != self._partitions:
            self._members.setdefault(member, frozenset())
            self._partitions = partitions
            self._rebalance()
        return self._members[member]

    def leave(self, member: Member) -> None:
        """Give up everything at once."""
        if self._members.pop(member, None) is not None:
            self._rebalance()

    def owned(self, member: Member) -> frozenset[Assignment]:
        """What the member owns now; nothing once it was expelled."""
        return self._members.get(member, frozenset())

    def _rebalance(self) -> None:
        """Give every partition anew. All assignments change, so nobody can go on with what it kept from the last."""
        members = list(self._members)
        for turn, member in enumerate(members):
            parts = range(turn, self._partitions, len(members))
            self._members[member] = frozenset(Assignment(self.topic, part) for part in parts)
        self.changed.set()
        self.changed = asyncio.Event()
