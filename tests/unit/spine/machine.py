"""A random life of the spine: people write, routers run, crash, sleep and wake, engines go away, garbage comes in."""

import asyncio
import itertools
import random
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from tests.unit.spine.engines import CHATS, PEOPLE, EmbeddedEngines
from tests.unit.spine.faults import HITS, Fault
from tests.unit.spine.world import World

from chat4all.model import records

_BOTH = ("before", "after")
CALLS = (
    "log.poll",
    "log.append",
    "log.commit",
    "log.lag",
    "store.heads",
    "store.index",
    "store.put_rows",
    "store.put_heads",
    "store.put_timeline",
    "store.put_cursors",
    "store.cursors",
    "store.rows",
    "directory.members",
    "realtime.gateways",
    "realtime.publish",
)
POINTS = tuple(f"{call}:{when}" for call in CALLS for when in _BOTH)
TORN = tuple(f"store.{put}:torn" for put in ("put_rows", "put_heads", "put_timeline", "put_cursors"))
API_POINTS = tuple(
    f"{call}:{when}" for call in ("store.answered", "log.append", "store.put_answered", "store.index") for when in _BOTH
)
RELAY_POINTS = ("directory.outbox:after", "log.append:before", "log.append:after", "directory.outbox_done:before")

GARBAGE: tuple[tuple[bytes, bytes], ...] = (
    (b"chat-a", b'{"v":1,"kind":"message","x":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    (
        b"chat-a",
        b'{"v":1,"kind":"receipt","id":"g0","conversation_id":"chat-a","user_id":"a","delivered_seq":9223372036854775808}',
    ),
    (b"chat-b", b'{"v":-5,"kind":"message","id":"g3","conversation_id":"chat-b","sender_id":"a","content":"x"}'),
    (b"chat-a", b"\xff\xfe"),
    (b"chat-a", b""),
    (b"chat-b", b"[]"),
    (b"chat-b", b"{}"),
    (b"chat-a", b'{"v":1,"kind":"message"}'),
    (b"chat-a", b'{"v":"one","kind":"message","id":"x"}'),
    (b"chat-b", b'{"v":1,"kind":"message","id":"g1","conversation_id":"chat-b","sender_id":"a","content":7}'),
    (b"chat-b", b'{"v":1,"kind":"message","id":"g2","conversation_id":"chat-a","sender_id":"a","content":"stray"}'),
)

_chats = st.sampled_from(CHATS)
_people = st.sampled_from(("ana", "bruno"))
_texts = st.text(alphabet="aé م🎉", min_size=1, max_size=4)
_seats = st.sampled_from((0, 1))
NEVER = ("log.poll:after", Fault.UNAVAILABLE)  # the port: a poll that raises has taken nothing
FAULTS = tuple(
    [
        (point, fault)
        for point in POINTS
        for fault in (Fault.CRASH, Fault.PAUSE, Fault.UNAVAILABLE)
        if (point, fault) != NEVER
    ]
    + [(point, Fault.TEAR) for point in TORN]
)


class Spine(RuleBasedStateMachine):
    """`made` builds the world, on engines that `engines` builds; a subclass may build sabotaged ones."""

    made: ClassVar[dict[str, Any]] = {}
    engines: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = World(EmbeddedEngines(**self.engines), **self.made)
        self.run(self.world.open())
        self.messages: list[tuple[str, str]] = []  # (id, sender)
        self.requests: list[tuple[str, str, str, str]] = []  # keyed posts, to be repeated
        self.keys = itertools.count()

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    @rule(who=_people, chat=_chats, text=_texts, keyed=st.booleans())
    def post(self, who: str, chat: str, text: str, *, keyed: bool) -> None:
        key = f"key-{next(self.keys)}" if keyed else None
        message = self.run(self.world.post(who, chat, text, key))
        assert message, "nothing stood in the way"
        self.messages.append((message, who))
        if key:
            self.requests.append((who, chat, text, key))

    @rule(who=_people, chat=_chats, count=st.integers(2, 12))
    def burst(self, who: str, chat: str, count: int) -> None:
        for turn in range(count):
            self.messages.append((self.run(self.world.post(who, chat, f"{turn}")), who))

    @rule(who=_people, chat=_chats, text=_texts, keyed=st.booleans(), point=st.sampled_from(API_POINTS))
    def post_while_an_engine_fails(self, who: str, chat: str, text: str, *, keyed: bool, point: str) -> None:
        key = f"key-{next(self.keys)}" if keyed else None
        self.world.api.arm(point, Fault.UNAVAILABLE)
        message = self.run(self.world.post(who, chat, text, key))
        self.world.api.disarm()
        if message:
            self.messages.append((message, who))
        if key:
            self.requests.append((who, chat, text, key))

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), blind=st.booleans())
    def repeat(self, data: st.DataObject, *, blind: bool) -> None:
        """The client sends a request again; `blind`: while nobody can look up that it was answered."""
        who, chat, text, key = data.draw(st.sampled_from(self.requests))
        if blind:
            self.world.api.arm("store.answered:before", Fault.UNAVAILABLE)
        message = self.run(self.world.post(who, chat, text, key))
        self.world.api.disarm()
        assert message, "a repeat is accepted"
        self.messages.append((message, who))

    @precondition(lambda self: self.messages)
    @rule(data=st.data(), text=_texts, keyed=st.booleans())
    def edit(self, data: st.DataObject, text: str, *, keyed: bool) -> None:
        message, who = data.draw(st.sampled_from(self.messages))
        self.run(self.world.edit(message, who, text, f"key-{next(self.keys)}" if keyed else None))

    @precondition(lambda self: self.messages)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        message, who = data.draw(st.sampled_from(self.messages))
        self.run(self.world.delete(message, who))

    @rule(who=_people, chat=_chats, delivered=st.integers(0, 9), read=st.integers(0, 9))
    def receive(self, who: str, chat: str, delivered: int, read: int) -> None:
        self.run(self.world.receive(who, chat, delivered=delivered, read=read))

    @rule(chat=_chats, come=st.booleans(), point=st.sampled_from(("", *RELAY_POINTS)))
    def change_members(self, chat: str, *, come: bool, point: str) -> None:
        carla = PEOPLE[2:]
        self.run(self.world.change_members(chat, **{"add" if come else "remove": carla}))
        if point:
            self.world.api.arm(point, Fault.CRASH)
        self.run(self.world.relay_outbox())
        self.world.api.disarm()

    @rule(garbage=st.sampled_from(GARBAGE))
    def garbage(self, garbage: tuple[bytes, bytes]) -> None:
        HITS["garbage", "undecodable"] += 1
        self.run(self.world.append(*garbage))

    @precondition(lambda self: self.messages)
    @rule(data=st.data(), chat=_chats)
    def change_of_what_is_not_there(self, data: st.DataObject, chat: str) -> None:
        """An edit of another conversation's message, as only a fault elsewhere could write it."""
        message, who = data.draw(st.sampled_from(self.messages))
        self.run(self.stray(message, who, chat))

    async def stray(self, message: str, who: str, chat: str) -> None:
        entry = (await self.world.store.index([message])).get(message)
        if entry is not None and entry.conversation_id != chat:
            record = records.Edit(
                id=f"stray-{next(self.keys)}", conversation_id=chat, sender_id=who, target_id=message, content="stray"
            )
            await self.world.append(chat.encode(), records.encode(record))

    @rule(seat=_seats)
    def route(self, seat: int) -> None:
        self.run(self.world.seats[seat].run())

    @rule(seed=st.integers(0, 2**32), length=st.integers(2, 8))
    def bad_day(self, seed: int, length: int) -> None:
        """One fault after the other, drawn evenly. A router that pauses may lose its partitions to the other, and wakes
        at once, late or never."""
        chance = random.Random(seed)
        for _ in range(length):
            seat, (point, fault) = chance.choice((0, 1)), chance.choice(FAULTS)
            self.run(self.work_and_route(seat, point, fault))
            if chance.random() < 0.5:
                self.run(self.world.silent())
                self.run(self.world.seats[1 - seat].run())
            if chance.random() < 0.5:
                self.run(self.world.seats[seat].wake())

    async def work_and_route(self, seat: int, point: str, fault: Fault) -> None:
        """Give the router something of every kind to do, so that it comes to the point, and let it run."""
        self.messages += await self.world.work(self.messages[:3])
        await self.world.seats[seat].run(point, fault)

    @rule(seat=_seats)
    def wake(self, seat: int) -> None:
        self.run(self.world.seats[seat].wake())

    @rule(seat=_seats)
    def crash(self, seat: int) -> None:
        self.run(self.world.seats[seat].crash())

    @rule(back=st.integers(1, 30))
    def rewind(self, back: int) -> None:
        HITS["log.rewind", "replay"] += 1
        self.run(self.world.rewind(back))

    def teardown(self) -> None:
        try:
            self.run(self.world.verdict())
        finally:
            self.run(self.world.close())
            self.loop.close()
