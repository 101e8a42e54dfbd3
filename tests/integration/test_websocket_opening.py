"""Opening a WebSocket (docs/websocket.md): tokens that are taken and not, and frames that cannot be understood."""

import base64
import json
import time
from collections.abc import Callable, Mapping

import jwt
import pytest
import pytest_asyncio
import websockets
from tests.integration.people import DEADLINE, Person, System
from tests.integration.wires import Phone, Wire, wired

from chat4all.accounts.keys import Keyring

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
    async with websockets.connect(system.ws_url, proxy=None, open_timeout=DEADLINE) as connection:
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
