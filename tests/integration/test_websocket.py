"""The WebSocket as docs/websocket.md describes it, over a real connection: opening, what either side says, order, ends.

`Wire` is a client that keeps every frame it was sent; test_resume.py uses it too. Each test has a conversation of its
own, and a wire that opens with a ping is live from where the conversations stand then.
"""

import asyncio
import base64
import contextlib
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
import pytest_asyncio
import websockets
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.conftest import Start, running
from tests.integration.people import DEADLINE, Person, System, expected

from chat4all.accounts.keys import Keyring

pytestmark = pytest.mark.asyncio(loop_scope="module")

Frame = dict[str, Any]

ORDERED: Final = ("message", "edit", "delete", "members")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
LONG: Final = 30.0  # seconds for what has to do more than one thing


class Wire:
    """A client's end of a WebSocket. `heard`: every frame so far, in the order in which they came."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection
        self.heard: list[Frame] = []

    async def say(self, frame: Mapping[str, object] | str | bytes) -> None:
        """Send a frame; text and bytes as they are."""
        await self.connection.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def hear(self, within: float = DEADLINE) -> Frame:
        """The next frame. Raises websockets.ConnectionClosed, TimeoutError."""
        text = await asyncio.wait_for(self.connection.recv(), within)
        assert isinstance(text, str), "frames are text frames"
        frame: Frame = json.loads(text)
        self.heard.append(frame)
        return frame

    async def until(self, kind: str, within: float = DEADLINE, **fields: object) -> Frame:
        """The next frame of this type with these fields; what comes before it stays in `heard`."""
        end = time.monotonic() + within
        while True:
            frame = await self.hear(max(0.0, end - time.monotonic()))
            if frame["type"] == kind and all(frame.get(name) == value for name, value in fields.items()):
                return frame

    async def up_to(self, conversation: str, seq: int, within: float = LONG) -> list[Frame]:
        """Hear until this seq of the conversation has come; all of its ordered frames so far."""
        end = time.monotonic() + within
        while not any(frame["seq"] >= seq for frame in self.rows(conversation)):
            await self.hear(max(0.0, end - time.monotonic()))
        return self.rows(conversation)

    async def pong(self) -> list[Frame]:
        """Everything that was on its way: what came before the answer to a ping, but who comes and goes elsewhere."""
        before = len(self.heard)
        await self.say({"type": "ping"})
        await self.until("pong")
        return [frame for frame in self.heard[before:-1] if frame["type"] != "presence"]

    async def resume(self, cursors: Mapping[str, int]) -> Frame:
        """Resume and hear until it is answered."""
        await self.say({"type": "resume", "cursors": cursors})
        return await self.until("resume")

    async def closed(self, within: float = DEADLINE) -> int:
        """Hear until the server closes; the close code."""
        end = time.monotonic() + within
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await self.hear(max(0.0, end - time.monotonic()))
        code = self.connection.close_code
        assert code is not None
        return code

    def rows(self, conversation: str) -> list[Frame]:
        """The frames so far that have a place in this conversation's order."""
        return [one for one in self.heard if one["type"] in ORDERED and one["conversation_id"] == conversation]

    def seqs(self, conversation: str) -> list[int]:
        """Their seqs."""
        return [frame["seq"] for frame in self.rows(conversation)]

    def of(self, kind: str, **fields: object) -> list[Frame]:
        """The frames so far of this type with these fields."""
        return [
            frame
            for frame in self.heard
            if frame["type"] == kind and all(frame.get(name) == value for name, value in fields.items())
        ]

    def cut(self) -> None:
        """Break the connection without a word."""
        self.connection.transport.abort()


@contextlib.asynccontextmanager
async def wired(system: System, token: str, *, in_address: bool = False, **more: Any) -> AsyncIterator[Wire]:
    """A connection that has said nothing yet. `in_address`: the token as ?token=, not as a subprotocol."""
    url = f"{system.ws_url}?token={token}" if in_address else system.ws_url
    offered = None if in_address else [websockets.Subprotocol("chat4all"), websockets.Subprotocol(f"bearer.{token}")]
    options = {"subprotocols": offered, "proxy": None, "max_size": None, "close_timeout": 1, **more}
    async with websockets.connect(url, **options) as connection:
        yield Wire(connection)


async def join(person: Person, chat: str, newcomer: str) -> None:
    """Bring somebody in and wait until that has its place among the messages: it travels a way of its own."""
    answer = await person.call("POST", f"/v1/conversations/{chat}/members", json={"members": [newcomer]})
    expected(answer, 200)

    async def is_told() -> bool:
        rows = await person.history(chat, kinds="all", limit=200)
        return any(newcomer in row["added"] for row in rows if row["type"] == "members")

    await eventually(is_told, f"{newcomer} has come")


class Phone:
    """Opens wires that are closed at the end of the test."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack

    async def silent(self, system: System, person: Person, **more: Any) -> Wire:
        """A wire that has said nothing yet."""
        return await self._stack.enter_async_context(wired(system, person.token or "", **more))

    async def live(self, system: System, person: Person, **more: Any) -> Wire:
        """A wire that gets what is new from here on."""
        wire = await self.silent(system, person, **more)
        await wire.pong()
        return wire

    async def resumed(self, system: System, person: Person, cursors: Mapping[str, int], **more: Any) -> Wire:
        """A wire that has got what it lacked."""
        wire = await self.silent(system, person, **more)
        await wire.resume(cursors)
        return wire


@pytest_asyncio.fixture(loop_scope="module")
async def phone() -> AsyncIterator[Phone]:
    async with contextlib.AsyncExitStack() as stack:
        yield Phone(stack)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def carol(system: System) -> Person:
    """Somebody who shares nothing with the others until a test says so."""
    return await system.register("carol")


async def metric(system: System, name: str, **labels: str) -> float:
    """A sample in /metrics; nought where it has not been counted yet."""
    text = expected(await system.stranger().call("GET", "/metrics"), 200).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert any(sample.name == name for sample in samples) or labels, f"there is no metric {name}"
    return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


async def eventually(condition: Callable[[], Awaitable[bool]], what: str, within: float = DEADLINE) -> None:
    """Wait for a condition. Fails after the deadline."""
    end = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < end, f"not in time: {what}"
        await asyncio.sleep(0.01)


def keyring(system: System) -> Keyring:
    """The keys that the system signs with."""
    return Keyring.load(system.settings.embedded.data / "keys")


def token_with(system: System, genuine: str, **claims: object) -> str:
    """The genuine token, signed by the system's own key, with other claims; None: without that claim."""
    signing = keyring(system).signing
    assert signing is not None
    said = {**jwt.decode(genuine, options={"verify_signature": False}), **claims}
    said = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(said, signing[1], algorithm="EdDSA", headers={"kid": signing[0]})


def forged(system: System, genuine: str) -> str:
    """The same claims under the same key id, the signature another's: that of the token's first half."""
    head, claims, signature = genuine.split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[0] ^= 1
    return f"{head}.{claims}.{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"


def promoted(system: System, genuine: str) -> str:
    """An admin's claims under the signature of a user's."""
    head, claims, signature = genuine.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"sub": "admin", "role": "admin"}
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip('=')}.{signature}"


def unsigned(system: System, genuine: str) -> str:
    """The same claims with the algorithm `none`."""
    said = jwt.decode(genuine, options={"verify_signature": False})
    return jwt.encode(said, "", algorithm="none", headers={"kid": jwt.get_unverified_header(genuine)["kid"]})


def shared_secret(system: System, genuine: str) -> str:
    """The same claims signed by HMAC with the public key, which is no secret."""
    said = jwt.decode(genuine, options={"verify_signature": False})
    key_id = jwt.get_unverified_header(genuine)["kid"]
    public = keyring(system).public[key_id].public_bytes_raw()
    return jwt.encode(said, public, algorithm="HS256", headers={"kid": key_id})


BAD_TOKENS: Mapping[str, Callable[[System, str], str]] = {
    "missing": lambda _, __: "",
    "no JWT": lambda _, __: "let-me-in",
    "cut short": lambda _, genuine: genuine[:-10],
    "forged signature": forged,
    "changed claims": promoted,
    "algorithm none": unsigned,
    "HMAC with the public key": shared_secret,
    "expired": lambda system, genuine: token_with(system, genuine, exp=int(time.time()) - 1),
    "without expiry": lambda system, genuine: token_with(system, genuine, exp=None),
    "another's audience": lambda system, genuine: token_with(system, genuine, aud="somebody-else"),
    "another's issuer": lambda system, genuine: token_with(system, genuine, iss="somebody-else"),
    "no such role": lambda system, genuine: token_with(system, genuine, role="emperor"),
}


# -- opening


async def test_the_token_comes_as_a_subprotocol_and_the_server_picks_chat4all(system: System, phone: Phone) -> None:
    ana, _, _ = await system.pair()
    wire = await phone.live(system, ana)
    assert wire.connection.subprotocol == "chat4all"


async def test_the_token_may_come_in_the_address(system: System, phone: Phone) -> None:
    ana, _, _ = await system.pair()
    wire = await phone.live(system, ana, in_address=True)
    assert wire.connection.subprotocol is None
    assert wire.of("pong", to_user="ana")


@pytest.mark.parametrize("in_address", [False, True], ids=["subprotocol", "address"])
@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
async def test_a_bad_token_is_accepted_and_closed_with_4401(
    system: System, bad: Callable[[System, str], str], in_address: bool
) -> None:
    """So that a browser can see why; and nothing is shown before."""
    ana, _, _ = await system.pair()
    token = bad(system, ana.token or "")
    async with wired(system, token, in_address=in_address) as wire:
        assert await wire.closed() == 4401
        assert wire.heard == []


async def test_without_any_token_it_is_closed_with_4401(system: System) -> None:
    async with websockets.connect(system.ws_url, proxy=None) as connection:
        assert await Wire(connection).closed() == 4401


# -- what a client says that cannot be understood, or is not allowed

BAD_FRAMES: Mapping[str, str | bytes] = {
    "no JSON": "hello",
    "nothing": "",
    "JSON cut short": '{"type": "ping"',
    "two frames in one": '{"type": "ping"}{"type": "ping"}',
    "a list": "[]",
    "a number": "17",
    "null": "null",
    "a string": '"ping"',
    "no type": "{}",
    "a type that is a number": '{"type": 1}',
    "a type that is null": '{"type": null}',
    "a type that is a lone surrogate": '{"type": "\\udc00"}',
    "an unknown type": '{"type": "shout", "conversation_id": "x"}',
    "a type of the server's": '{"type": "message", "conversation_id": "x", "content": "hi"}',
    "ack without seq": '{"type": "ack", "conversation_id": "CHAT"}',
    "ack without conversation": '{"type": "ack", "seq": 1}',
    "ack of a number": '{"type": "ack", "conversation_id": 7, "seq": 1}',
    "ack of an empty name": '{"type": "ack", "conversation_id": "", "seq": 1}',
    "ack of a long name": json.dumps({"type": "ack", "conversation_id": "x" * 100_000, "seq": 1}),
    "ack of a NUL": '{"type": "ack", "conversation_id": "\\u0000", "seq": 1}',
    "ack of a lone surrogate": '{"type": "ack", "conversation_id": "\\ud800", "seq": 1}',
    "a lone surrogate in a field to ignore": '{"type": "ack", "conversation_id": "CHAT", "seq": 9, "x": "\\udfff"}',
    "a seq that is text": '{"type": "ack", "conversation_id": "CHAT", "seq": "1"}',
    "a seq that is null": '{"type": "read", "conversation_id": "CHAT", "seq": null}',
    "a seq that is true": '{"type": "read", "conversation_id": "CHAT", "seq": true}',
    "a seq between two": '{"type": "read", "conversation_id": "CHAT", "seq": 1.5}',
    "a seq that is a list": '{"type": "read", "conversation_id": "CHAT", "seq": [1]}',
    "a negative seq": '{"type": "ack", "conversation_id": "CHAT", "seq": -1}',
    "a seq of 2⁶³": '{"type": "ack", "conversation_id": "CHAT", "seq": 9223372036854775808}',
    "a seq of 2⁶⁴": '{"type": "read", "conversation_id": "CHAT", "seq": 18446744073709551616}',
    "a seq of 5,000 digits": '{"type": "ack", "conversation_id": "CHAT", "seq": ' + "9" * 5000 + "}",
    "a seq of 1e400": '{"type": "ack", "conversation_id": "CHAT", "seq": 1e400}',
    "a seq that is no number": '{"type": "ack", "conversation_id": "CHAT", "seq": NaN}',
    "an ack above the head": '{"type": "ack", "conversation_id": "CHAT", "seq": 2}',
    "a read above the head": '{"type": "read", "conversation_id": "CHAT", "seq": 2}',
    "an ack of a conversation that is not": '{"type": "ack", "conversation_id": "none-such", "seq": 1}',
    "an ack of another's conversation": '{"type": "ack", "conversation_id": "FOREIGN", "seq": 1}',
    "a read of another's conversation": '{"type": "read", "conversation_id": "FOREIGN", "seq": 1}',
    "typing in another's conversation": '{"type": "typing", "conversation_id": "FOREIGN"}',
    "typing nowhere": '{"type": "typing"}',
    "cursors that are a list": '{"type": "resume", "cursors": ["CHAT"]}',
    "cursors that are null": '{"type": "resume", "cursors": null}',
    "a cursor that is text": '{"type": "resume", "cursors": {"CHAT": "all"}}',
    "a negative cursor": '{"type": "resume", "cursors": {"CHAT": -1}}',
    "a cursor of a lone surrogate": '{"type": "resume", "cursors": {"\\ud800": 1}}',
    "a huge cursor": '{"type": "resume", "cursors": {"CHAT": 99999999999999999999}}',
    "deep nesting": "[" * 100_000,
    "deep nesting in a field to ignore": '{"type": "ping", "x": ' + "[" * 5000 + "]" * 5000 + "}",
    "binary garbage": b"\x00\xff\xfe\x80binary",
    "invalid UTF-8 in binary": b'{"type": "ack", "conversation_id": "\xff\xfe", "seq": 1}',
    "nothing, in binary": b"",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def foreign(system: System, carol: Person) -> str:
    """A conversation with one message that ana is not in."""
    chat = await carol.conversation("bruno")
    await carol.said(chat, "Só para ti.")
    return chat


@pytest.mark.parametrize("bad", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
async def test_a_bad_frame_gets_an_error_frame_and_the_connection_stays(
    system: System, phone: Phone, foreign: str, bad: str | bytes
) -> None:
    ana, _, chat = await system.pair()
    await ana.said(chat, "Olá")
    wire = await phone.live(system, ana)
    await wire.say(bad.replace("CHAT", chat).replace("FOREIGN", foreign) if isinstance(bad, str) else bad)
    error = await wire.until("error")
    assert error.keys() == {"type", "detail", "code", "to_user"}
    assert error["to_user"] == "ana"
    assert isinstance(error["detail"], str)
    assert error["detail"]
    assert isinstance(error["code"], str)
    assert await wire.pong() == []


async def test_a_bad_first_frame_does_not_keep_a_session_from_going_live(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    wire = await phone.silent(system, bruno)
    await wire.say("hello")
    await wire.until("error")
    await ana.post(chat, "Olá")
    await wire.until("message", conversation_id=chat, seq=1)


async def test_many_bad_frames_do_not_end_a_connection(system: System, phone: Phone) -> None:
    ana, _, _ = await system.pair()
    wire = await phone.live(system, ana)
    for _ in range(200):
        await wire.say("{")
    for _ in range(200):
        await wire.until("error")
    assert await wire.pong() == []


async def test_fields_that_are_not_known_are_ignored(system: System, phone: Phone) -> None:
    ana, _, _ = await system.pair()
    wire = await phone.live(system, ana)
    await wire.say({"type": "ping", "at": "2031-01-01", "more": {"nested": [1, None]}})
    assert await wire.until("pong") == {"type": "pong", "to_user": "ana"}
    assert wire.of("error") == []


# -- what the server says


async def test_a_message(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    first = await ana.said(chat, "Olá")
    wire = await phone.live(system, bruno)
    message = await ana.post(chat, "مرحبا 👩‍👩‍👧‍👦", reply_to=first["message_id"])
    frame = await wire.until("message")
    assert TIME.fullmatch(frame.pop("timestamp"))
    assert frame == {
        "type": "message",
        "to_user": "bruno",
        "conversation_id": chat,
        "seq": 2,
        "message_id": message,
        "sender_id": "ana",
        "content": "مرحبا 👩‍👩‍👧‍👦",
        "file_id": None,
        "reply_to": first["message_id"],
        "edited_at": None,
        "deleted_at": None,
    }


async def test_an_edit(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    message = (await ana.said(chat, "Ola"))["message_id"]
    wire = await phone.live(system, bruno)
    await ana.edit(message, "Olá")
    frame = await wire.until("edit")
    assert TIME.fullmatch(frame.pop("timestamp"))
    assert frame == {
        "type": "edit",
        "to_user": "bruno",
        "conversation_id": chat,
        "seq": 2,
        "message_id": message,
        "target_seq": 1,
        "sender_id": "ana",
        "content": "Olá",
        "deleted_at": None,
    }


async def test_a_delete(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    message = (await ana.said(chat, "Esquece."))["message_id"]
    wire = await phone.live(system, bruno)
    await ana.delete(message)
    frame = await wire.until("delete")
    assert TIME.fullmatch(frame.pop("timestamp"))
    assert frame == {
        "type": "delete",
        "to_user": "bruno",
        "conversation_id": chat,
        "seq": 2,
        "message_id": message,
        "target_seq": 1,
        "sender_id": "ana",
    }


async def test_members_who_come_and_go(system: System, phone: Phone, carol: Person) -> None:
    ana, bruno = await system.login("ana"), await system.login("bruno")
    chat = await ana.conversation("bruno", kind="group")
    wire = await phone.live(system, bruno)
    expected(await ana.call("POST", f"/v1/conversations/{chat}/members", json={"members": [carol.username]}), 200)
    came = await wire.until("members")
    expected(await ana.call("DELETE", f"/v1/conversations/{chat}/members/{carol.username}"), 200)
    went = await wire.until("members")
    for frame in (came, went):
        assert TIME.fullmatch(frame.pop("timestamp"))
    shape = {"type": "members", "to_user": "bruno", "conversation_id": chat, "sender_id": "ana"}
    assert came == {**shape, "seq": 1, "added": [carol.username], "removed": []}
    assert went == {**shape, "seq": 2, "added": [], "removed": [carol.username]}


async def test_typing_reaches_the_others(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    hers, his = await phone.live(system, ana), await phone.live(system, bruno)
    await hers.say({"type": "typing", "conversation_id": chat})
    frame = await his.until("typing")
    assert frame == {"type": "typing", "to_user": "bruno", "conversation_id": chat, "user_id": "ana"}


async def test_typing_is_passed_on_at_most_every_two_seconds(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    hers, his = await phone.live(system, ana), await phone.live(system, bruno)
    began = time.monotonic()
    for _ in range(20):
        await hers.say({"type": "typing", "conversation_id": chat})
    assert await hers.pong() == []
    took = time.monotonic() - began
    await ana.post(chat, "Olá")
    await his.until("message")
    assert 1 <= len(his.of("typing", conversation_id=chat)) <= 1 + took // 2


async def test_a_receipt(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    hers, his = await phone.live(system, ana), await phone.live(system, bruno)
    await ana.post(chat, "Olá")
    await his.until("message")
    await his.say({"type": "ack", "conversation_id": chat, "seq": 1})
    frame = await hers.until("receipt")
    assert TIME.fullmatch(frame.pop("timestamp"))
    assert frame == {
        "type": "receipt",
        "to_user": "ana",
        "conversation_id": chat,
        "user_id": "bruno",
        "delivered_seq": 1,
        "read_seq": 0,
    }


async def test_the_answer_to_a_resume(system: System, phone: Phone, carol: Person) -> None:
    rita = await system.register("rita")
    chat = await carol.conversation("rita")
    await carol.said(chat, "Olá")
    wire = await phone.silent(system, rita)
    assert await wire.resume({}) == {
        "type": "resume",
        "to_user": "rita",
        "recovered": True,
        "conversations": {chat: {"recovered": True, "from": 0, "to": 1}},
        "cursors": {},
    }


# -- who gets what


async def test_the_senders_own_messages_come_back_to_him(system: System, phone: Phone) -> None:
    ana, _, chat = await system.pair()
    wire = await phone.live(system, ana)
    message = await ana.post(chat, "Olá")
    frame = await wire.until("message")
    assert (frame["message_id"], frame["sender_id"], frame["to_user"]) == (message, "ana", "ana")


async def test_every_device_of_a_user_gets_everything(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    devices = [await phone.live(system, bruno) for _ in range(3)]
    message = (await ana.said(chat, "Olá"))["message_id"]
    await ana.edit(message, "Oi")
    await ana.delete(message)
    await ana.said(chat, "Até já")
    for wire in devices:
        frames = await wire.up_to(chat, 4)
        assert [frame["type"] for frame in frames] == ["message", "edit", "delete", "message"]
        assert wire.seqs(chat) == [1, 2, 3, 4]


async def test_a_conversation_that_is_made_after_connecting_shows_up(system: System, phone: Phone) -> None:
    ana, bruno, _ = await system.pair()
    wire = await phone.live(system, bruno)
    chat = await ana.conversation("bruno")
    await ana.post(chat, "Outra conversa")
    frame = await wire.until("message", conversation_id=chat)
    assert frame["seq"] == 1


async def test_a_removed_member_gets_nothing_more(system: System, phone: Phone, carol: Person) -> None:
    ana = await system.login("ana")
    chat = await ana.conversation("bruno", carol.username)
    hers, gone = await phone.live(system, ana), await phone.live(system, carol)
    await ana.post(chat, "Antes")
    await gone.until("message")
    expected(await ana.call("DELETE", f"/v1/conversations/{chat}/members/{carol.username}"), 200)
    secret = (await ana.said(chat, "Depois"))["message_id"]
    await ana.edit(secret, "Depois!")
    await hers.up_to(chat, 4)
    await hers.say({"type": "typing", "conversation_id": chat})
    await hers.pong()
    assert [frame for frame in await gone.pong() if frame.get("conversation_id") == chat] == []
    for frame in ({"type": "ack", "seq": 1}, {"type": "read", "seq": 1}, {"type": "typing"}):
        await gone.say({**frame, "conversation_id": chat})
        await gone.until("error")
    again = await phone.silent(system, carol)
    assert chat not in (await again.resume({}))["conversations"]
    assert again.rows(chat) == []


async def test_a_new_member_gets_frames_and_all_that_was_said_before(
    system: System, phone: Phone, carol: Person
) -> None:
    ana = await system.login("ana")
    chat = await ana.conversation("bruno", kind="group")
    message = (await ana.said(chat, "Antes"))["message_id"]
    await ana.edit(message, "Antes de ti")
    wire = await phone.live(system, carol)
    await join(ana, chat, carol.username)
    await ana.post(chat, "Bem-vinda")
    frames = await wire.up_to(chat, 4)
    assert [(one["seq"], one["type"]) for one in frames] == [
        (1, "message"),
        (2, "edit"),
        (3, "members"),
        (4, "message"),
    ]
    assert frames[0]["content"] == "Antes de ti"


async def test_a_member_who_comes_back_gets_what_was_said_meanwhile(
    system: System, phone: Phone, carol: Person
) -> None:
    ana = await system.login("ana")
    chat = await ana.conversation("bruno", carol.username)
    wire = await phone.live(system, carol)
    await ana.post(chat, "1")
    await wire.up_to(chat, 1)
    expected(await ana.call("DELETE", f"/v1/conversations/{chat}/members/{carol.username}"), 200)
    await ana.post(chat, "3")
    expected(await ana.call("POST", f"/v1/conversations/{chat}/members", json={"members": [carol.username]}), 200)
    await ana.post(chat, "5")
    await wire.up_to(chat, 5)
    assert wire.seqs(chat) == [1, 2, 3, 4, 5]


# -- receipts


async def test_an_ack_makes_it_delivered_and_a_read_makes_it_read(system: System, phone: Phone) -> None:
    """As the sender sees it: by the receipt frame, the message's status, its recipients, and its timeline."""
    ana, bruno, chat = await system.pair()
    hers, his = await phone.live(system, ana), await phone.live(system, bruno)
    message = (await ana.said(chat, "Olá"))["message_id"]
    await his.up_to(chat, 1)
    assert (await ana.get(f"/v1/messages/{message}"))["status"] == "sent"
    await his.say({"type": "ack", "conversation_id": chat, "seq": 1})
    await hers.until("receipt", user_id="bruno", delivered_seq=1, read_seq=0)
    delivered = await ana.get(f"/v1/messages/{message}")
    assert delivered["status"] == "delivered"
    assert delivered["recipients"][0]["read_at"] is None
    await his.say({"type": "read", "conversation_id": chat, "seq": 1})
    await hers.until("receipt", user_id="bruno", delivered_seq=1, read_seq=1)
    read = await ana.get(f"/v1/messages/{message}")
    assert read["status"] == "read"
    assert read["recipients"][0]["delivered_at"] == delivered["recipients"][0]["delivered_at"]
    events = await ana.get(f"/v1/messages/{message}/timeline")
    assert [(one["what"], one["who"]) for one in events] == [
        ("accepted", "ana"),
        ("delivered", "bruno"),
        ("read", "bruno"),
    ]


async def test_what_is_read_was_delivered(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    hers, his = await phone.live(system, ana), await phone.live(system, bruno)
    message = await ana.post(chat, "Olá")
    await his.up_to(chat, 1)
    await his.say({"type": "read", "conversation_id": chat, "seq": 1})
    await hers.until("receipt", user_id="bruno", delivered_seq=1, read_seq=1)
    assert (await ana.get(f"/v1/messages/{message}"))["status"] == "read"


async def test_in_a_group_the_status_is_the_lowest_of_all(system: System, phone: Phone, carol: Person) -> None:
    ana, bruno = await system.login("ana"), await system.login("bruno")
    chat = await ana.conversation("bruno", carol.username)
    hers, his, third = [await phone.live(system, person) for person in (ana, bruno, carol)]
    message = await ana.post(chat, "Olá")
    await asyncio.gather(*(wire.up_to(chat, 1) for wire in (hers, his, third)))
    await his.say({"type": "read", "conversation_id": chat, "seq": 1})
    await hers.until("receipt", user_id="bruno", read_seq=1)
    assert (await ana.get(f"/v1/messages/{message}"))["status"] == "sent"
    await third.say({"type": "ack", "conversation_id": chat, "seq": 1})
    await hers.until("receipt", user_id=carol.username, delivered_seq=1)
    assert (await ana.get(f"/v1/messages/{message}"))["status"] == "delivered"


async def test_receipts_only_move_forward(system: System, phone: Phone) -> None:
    """An older device that acknowledges less takes nothing back."""
    ana, bruno, chat = await system.pair()
    hers, new, old = [await phone.live(system, person) for person in (ana, bruno, bruno)]
    for number in range(3):
        message = (await ana.said(chat, str(number)))["message_id"]
    await new.say({"type": "read", "conversation_id": chat, "seq": 3})
    await hers.until("receipt", read_seq=3)
    await old.say({"type": "ack", "conversation_id": chat, "seq": 1})
    await old.say({"type": "read", "conversation_id": chat, "seq": 2})
    await ana.post(chat, "4")
    await new.up_to(chat, 4)
    await new.say({"type": "ack", "conversation_id": chat, "seq": 4})
    await hers.until("receipt", delivered_seq=4)
    assert (await ana.get(f"/v1/messages/{message}"))["status"] == "read"
    receipts = hers.of("receipt", user_id="bruno", conversation_id=chat)
    assert max(one["read_seq"] for one in receipts) == 3
    resumed = await (await phone.silent(system, bruno)).resume({})
    assert resumed["cursors"][chat]["bruno"] == {"delivered_seq": 4, "read_seq": 3}


async def test_receipts_are_gathered_to_one_record_a_second(start: Start, phone: Phone) -> None:
    alone = await start()
    ana, bruno, chat = await alone.pair()
    hers, his = await phone.live(alone, ana), await phone.live(alone, bruno)
    await asyncio.gather(*(ana.post(chat, str(number)) for number in range(60)))
    await his.up_to(chat, 60)
    began = time.monotonic()
    for seq in range(1, 61):
        await his.say({"type": "ack", "conversation_id": chat, "seq": seq})
        await his.say({"type": "read", "conversation_id": chat, "seq": seq})
    await hers.until("receipt", delivered_seq=60, read_seq=60)
    took = time.monotonic() - began
    assert 1 <= await metric(alone, "chat4all_accepted_total", kind="receipt") <= 1 + took // 1 + 1


@pytest.mark.parametrize("acks", [1, 2], ids=["the first ack", "an ack that waits for its second"])
async def test_an_ack_right_before_the_client_leaves_counts(system: System, phone: Phone, acks: int) -> None:
    """ "This device has everything up to that seq: delivered", whether or not it stays to hear more."""
    ana, bruno, chat = await system.pair()
    for number in range(acks):
        message = (await ana.said(chat, str(number)))["message_id"]
    async with wired(system, bruno.token or "") as wire:
        await wire.resume({chat: acks})
        for seq in range(1, acks + 1):
            await wire.say({"type": "ack", "conversation_id": chat, "seq": seq})
    await ana.becomes(message, status="delivered")


# -- presence


async def test_presence_over_several_devices(system: System, phone: Phone, carol: Person) -> None:
    """Online with the first device, offline only when the last one goes; who shares a conversation is told, once."""
    dora = await system.register("dora")
    await carol.conversation("dora")
    watching = await phone.live(system, carol)
    async with wired(system, dora.token or "") as first, wired(system, dora.token or "") as second:
        await asyncio.gather(first.pong(), second.pong())
        frame = await watching.until("presence", user_id="dora")
        assert TIME.fullmatch(frame.pop("timestamp"))
        assert frame == {"type": "presence", "to_user": carol.username, "user_id": "dora", "status": "online"}
        open_now = await metric(system, "chat4all_sessions")
        await second.connection.close()

        async def one_is_gone() -> bool:
            return await metric(system, "chat4all_sessions") == open_now - 1

        await eventually(one_is_gone, "the second device's session has ended")
        assert (await carol.get("/v1/presence/dora"))["status"] == "online"
        assert watching.of("presence", user_id="dora", status="offline") == []
    await watching.until("presence", user_id="dora", status="offline")
    assert [one["status"] for one in watching.of("presence", user_id="dora")] == ["online", "offline"]
    gone = await carol.get("/v1/presence/dora")
    assert gone["status"] == "offline"
    assert TIME.fullmatch(gone["last_seen"])


async def test_presence_by_heartbeat(system: System, phone: Phone, carol: Person) -> None:
    """The most present device counts: away by heartbeat, online while a WebSocket is open, then away again."""
    emil = await system.register("emil")
    await carol.conversation("emil")
    watching = await phone.live(system, carol)

    async def beat(status: str) -> None:
        answer = expected(await emil.call("POST", "/v1/presence/heartbeat", json={"status": status}), 200)
        assert answer.json() == {"status": "updated"}

    await beat("away")
    await watching.until("presence", user_id="emil", status="away")
    async with wired(system, emil.token or "") as wire:
        await watching.until("presence", user_id="emil", status="online")
        await beat("away")
        await wire.pong()
    await watching.until("presence", user_id="emil", status="away")
    await beat("online")
    await watching.until("presence", user_id="emil", status="online")
    await beat("offline")
    await watching.until("presence", user_id="emil", status="offline")
    statuses = [one["status"] for one in watching.of("presence", user_id="emil")]
    assert statuses == ["away", "online", "away", "online", "offline"]


async def test_presence_is_not_for_those_who_share_no_conversation(system: System, phone: Phone, carol: Person) -> None:
    hugo = await system.register("hugo")
    stranger, friend = await system.register("stranger"), carol
    await friend.conversation("hugo")
    theirs, hers = await phone.live(system, stranger), await phone.live(system, friend)
    await phone.live(system, hugo)
    await hers.until("presence", user_id="hugo", status="online")
    await theirs.pong()
    assert theirs.of("presence") == []


# -- order


async def test_order_without_hole_or_repeat_while_four_write_at_once(
    system: System, phone: Phone, carol: Person
) -> None:
    ana, bruno = await system.login("ana"), await system.login("bruno")
    dirk = await system.register("dirk")
    writers = [ana, bruno, carol, dirk]
    chat = await ana.conversation("bruno", carol.username, "dirk")
    readers = [await phone.live(system, person) for person in writers]

    async def write(person: Person) -> None:
        for number in range(50):
            await person.post(chat, f"{number}")

    await asyncio.gather(*(write(person) for person in writers), *(wire.up_to(chat, 200) for wire in readers))
    for wire in readers:
        assert wire.seqs(chat) == list(range(1, 201))
        assert [one["message_id"] for one in wire.rows(chat)] == [one["message_id"] for one in readers[0].rows(chat)]
    for person in writers:
        said = [one["content"] for one in readers[0].rows(chat) if one["sender_id"] == person.username]
        assert said == [str(number) for number in range(50)], "as its writer posted it"


async def test_order_with_edits_and_deletes_among_messages(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    wire = await phone.live(system, bruno)

    async def fidget(number: int) -> None:
        message = (await ana.said(chat, f"{number}"))["message_id"]
        await ana.edit(message, f"{number}!")
        await ana.delete(message)

    await asyncio.gather(*(fidget(number) for number in range(20)))
    frames = await wire.up_to(chat, 60)
    assert wire.seqs(chat) == list(range(1, 61))
    kinds: dict[str, list[str]] = {}
    for frame in frames:
        kinds.setdefault(frame["message_id"], []).append(frame["type"])
    assert list(kinds.values()) == [["message", "edit", "delete"]] * 20


# -- ends


async def test_a_token_that_ends_is_announced_and_then_the_socket_is_closed_with_4401(
    start: Start, phone: Phone
) -> None:
    brief = await start(accounts={"token_seconds": 3}, gateway={"warn_seconds": 1})
    ana, bruno, chat = await brief.pair()
    wire = await phone.live(brief, bruno)
    await ana.post(chat, "Olá")
    assert await wire.closed() == 4401
    [warning] = wire.of("token_expiring")
    assert warning.keys() == {"type", "expires_at", "to_user"}
    assert TIME.fullmatch(warning["expires_at"])
    expires = jwt.decode(bruno.token or "", options={"verify_signature": False})["exp"]
    assert warning["expires_at"].startswith(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(expires)))
    assert wire.seqs(chat) == [1]


async def test_a_server_that_goes_away_closes_with_1012(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as clients:
        async with running(tmp_path) as leaving:
            ana, bruno, _ = await leaving.pair()
            wires = [await clients.enter_async_context(wired(leaving, one.token or "")) for one in (ana, ana, bruno)]
            for wire in wires:
                await wire.pong()
            silent = await clients.enter_async_context(wired(leaving, ana.token or ""))
        for wire in (*wires, silent):
            assert await wire.closed() == 1012


async def test_more_sessions_than_there_may_be_are_asked_to_try_again(start: Start) -> None:
    """With 1013; when one has gone there is room again."""
    small = await start(gateway={"sessions": 2})
    ana, bruno, _ = await small.pair()
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(wired(small, ana.token or ""))
        second = await stack.enter_async_context(wired(small, bruno.token or ""))
        await asyncio.gather(first.pong(), second.pong())
        third = await stack.enter_async_context(wired(small, bruno.token or ""))
        assert await third.closed() == 1013
        assert await first.pong() == []
        await second.connection.close()

        async def there_is_room() -> bool:
            return await metric(small, "chat4all_sessions") == 1

        await eventually(there_is_room, "the second session has ended")
        fourth = await stack.enter_async_context(wired(small, bruno.token or ""))
        assert await fourth.pong() == []


# -- a client that does not read


async def paused(stack: contextlib.AsyncExitStack, system: System, person: Person) -> Wire:
    """A live client that stops reading: small buffers, and nobody takes what arrives."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", system.port))
    options: dict[str, Any] = {"sock": raw, "max_queue": 1, "ping_interval": None}
    wire = await stack.enter_async_context(wired(system, person.token or "", **options))
    await wire.pong()
    return wire


async def cut_off(system: System, writer: Person, chat: str) -> int:
    """Post big messages until a session is cut off; how many it took."""
    before = await metric(system, "chat4all_cut_off_sessions_total")
    for number in range(1, 100):
        await asyncio.gather(*(writer.post(chat, "雪" * 10_000) for _ in range(10)))
        if await metric(system, "chat4all_cut_off_sessions_total") > before:
            return number * 10
    raise AssertionError("a client that does not read is never cut off")


async def test_a_client_that_does_not_read_is_cut_off_and_resumes(start: Start) -> None:
    """With 1013, as soon as it is too far behind; the others do not notice, and it gets everything once."""
    small = await start(gateway={"queue": 50})
    ana, bruno, chat = await small.pair()
    async with contextlib.AsyncExitStack() as stack:
        other = await stack.enter_async_context(wired(small, bruno.token or "", max_queue=None))
        await other.pong()
        slow = await paused(stack, small, bruno)
        total = await cut_off(small, ana, chat)
        assert await slow.closed() == 1013
        got = slow.seqs(chat)
        assert got == list(range(1, len(got) + 1))
        assert len(got) < total
        again = await stack.enter_async_context(wired(small, bruno.token or ""))
        answer = await again.resume({chat: len(got)})
        assert answer["recovered"] is True
        await ana.post(chat, "Por fim")
        await again.up_to(chat, total + 1)
        assert [*got, *again.seqs(chat)] == list(range(1, total + 2))
        await other.up_to(chat, total + 1)
        assert other.seqs(chat) == list(range(1, total + 2))
        assert await metric(small, "chat4all_cut_off_sessions_total") == 1


async def test_a_client_that_never_reads_again_is_let_go(start: Start) -> None:
    """What the server holds does not grow with time: the connection ends even where the close frame is not taken."""
    small = await start(gateway={"queue": 50})
    ana, bruno, chat = await small.pair()
    async with contextlib.AsyncExitStack() as stack:
        slow = await paused(stack, small, bruno)
        await cut_off(small, ana, chat)

        async def is_gone() -> bool:
            return tcp_state(slow) != "ESTABLISHED"

        try:
            await eventually(is_gone, "the server lets go of the connection", within=15)
        finally:
            slow.cut()


def tcp_state(wire: Wire) -> str:
    """What the kernel says of the client's end (Linux: the first byte of tcp_info)."""
    names = ("?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT")
    found = wire.connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return names[found] if found < len(names) else f"state {found}"
