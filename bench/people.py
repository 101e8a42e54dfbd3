"""People who are connected most of the time, acknowledge what they get, and resume where they were."""

from typing import Final

import msgspec

from bench import sockets
from bench.measurement import FaultError
from bench.tally import Tally

_DEADLINE: Final = 60.0  # seconds


class _Client(sockets.Socket):
    """One connection of a person: acknowledges what others say. `cursors` outlive the connection."""

    def __init__(self, person: "Person", opening: bytes) -> None:
        super().__init__(opening)
        self.resumed = Tally(1, f"{person.name} has resumed")
        self._person = person

    def opened(self) -> None:
        self.say(sockets.resume(self._person.cursors))

    def heard(self, payload: bytes) -> None:
        frame = sockets.decode(payload)
        if frame.type == "resume":
            self.resumed.add()
        elif frame.seq and frame.type in ("message", "members"):
            self._person.has(frame)
            if frame.sender_id != self._person.name:
                ack = {"type": "ack", "conversation_id": frame.conversation_id, "seq": frame.seq}
                self.say(msgspec.json.encode(ack))


class Person:
    """Someone who is connected most of the time. `cursors`: the last seq of each conversation."""

    def __init__(self, name: str, port: int, token: str) -> None:
        self.name = name
        self.cursors: dict[str, int] = {}
        self._port = port
        self._opening = sockets.handshake(port, "/ws?resume=1", token)
        self._client: _Client | None = None

    def has(self, frame: sockets.Frame) -> None:
        """Raises FaultError unless it is the next one."""
        due = self.cursors.get(frame.conversation_id, 0) + 1
        if frame.seq != due:
            raise FaultError(f"{self.name} got seq {frame.seq} where {due} was due")
        self.cursors[frame.conversation_id] = frame.seq

    async def connect(self) -> None:
        """Connect and resume; a connection that there was is lost."""
        self.leave()
        self._client = await sockets.connect(self._port, _Client(self, self._opening))
        await self._client.resumed.full(_DEADLINE)

    def leave(self) -> None:
        """Lose the line."""
        if self._client is not None:
            self._client.close()
