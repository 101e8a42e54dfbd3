"""Tokens that are worth nothing: expired, forged, for somebody else, of another algorithm (issue 11, bad input)."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.integration.conftest import Start
from tests.integration.people import DEADLINE, PASSWORD, System, refused, unused

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Mint:
    """Makes tokens with the key of a running system, whatever they say."""

    def __init__(self, system: System) -> None:
        (file,) = (system.settings.embedded.data / "keys").glob("*.pem")
        self.kid = file.stem
        key = serialization.load_pem_private_key(file.read_bytes(), None)
        assert isinstance(key, Ed25519PrivateKey)
        self.key = key
        self.public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        now = int(time.time())
        accounts = system.settings.accounts
        self.claims: dict[str, Any] = {
            "iss": accounts.issuer,
            "aud": accounts.audience,
            "sub": "ana",
            "role": "agent",
            "iat": now,
            "exp": now + 600,
            "jti": "a-token-of-the-tests",
        }

    def token(self, *, without: str = "", kid: str | None = "", key: Any = None, **claims: Any) -> str:
        """A token that is right but for what is said here."""
        said = {name: value for name, value in (self.claims | claims).items() if name != without}
        header = {} if kid is None else {"kid": kid or self.kid}
        return jwt.encode(said, key or self.key, algorithm="EdDSA", headers=header)

    def handmade(self, algorithm: str, signature: bytes, **header: Any) -> str:
        """A token put together by hand."""
        parts = ({"alg": algorithm, "typ": "JWT", "kid": self.kid, **header}, self.claims)
        encoded = [_encoded(json.dumps(part).encode()) for part in parts]
        return ".".join([*encoded, _encoded(signature)])

    def confused(self) -> str:
        """An HS256 token, its secret the public key."""
        unsigned = self.handmade("HS256", b"").rstrip(".")
        return f"{unsigned}.{_encoded(hmac.digest(self.public, unsigned.encode(), hashlib.sha256))}"

    def altered(self, **claims: Any) -> str:
        """A token whose claims were changed after it was signed."""
        head, _, signature = self.token().split(".")
        return ".".join([head, _encoded(json.dumps(self.claims | claims).encode()), signature])


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


FORGERIES: dict[str, Callable[[Mint], str]] = {
    "expired": lambda mint: mint.token(exp=int(time.time()) - 1),
    "expired long ago": lambda mint: mint.token(exp=1),
    "signed by another key": lambda mint: mint.token(key=Ed25519PrivateKey.generate()),
    "unknown key id": lambda mint: mint.token(kid="other"),
    "key id that is a path": lambda mint: mint.token(kid="../../etc/passwd"),
    "no key id": lambda mint: mint.token(kid=None),
    "algorithm none": lambda mint: mint.handmade("none", b""),
    "algorithm None": lambda mint: mint.handmade("None", b""),
    "public key as HMAC secret": Mint.confused,
    "unknown algorithm": lambda mint: mint.handmade("XX1", b"x"),
    "signature of nothing": lambda mint: mint.handmade("EdDSA", b""),
    "signature of zeros": lambda mint: mint.handmade("EdDSA", bytes(64)),
    "its role raised": lambda mint: mint.altered(role="admin"),
    "its subject changed": lambda mint: mint.altered(sub="bruno"),
    "its signature cut off": lambda mint: mint.token().rpartition(".")[0] + ".",
    "its signature missing": lambda mint: mint.token().rpartition(".")[0],
    "wrong audience": lambda mint: mint.token(aud="another"),
    "wrong issuer": lambda mint: mint.token(iss="another"),
    "not valid yet": lambda mint: mint.token(nbf=int(time.time()) + 600),
    "unknown role": lambda mint: mint.token(role="emperor"),
    "expiry that is a word": lambda mint: mint.token(exp="tomorrow"),
    "expiry that never comes": lambda mint: mint.token(exp=float("inf")),
    "subject that is a number": lambda mint: mint.token(sub=5),
    "no issuer": lambda mint: mint.token(without="iss"),
    "no audience": lambda mint: mint.token(without="aud"),
    "no subject": lambda mint: mint.token(without="sub"),
    "no expiry": lambda mint: mint.token(without="exp"),
    "no time of issue": lambda mint: mint.token(without="iat"),
    "no id": lambda mint: mint.token(without="jti"),
    "no role": lambda mint: mint.token(without="role"),
    "no token at all": lambda _: "x",
    "dots": lambda _: "...",
    "key id that is a list": lambda mint: mint.handmade("EdDSA", b"x", kid=["a"]),
    "key id that is null": lambda mint: mint.handmade("EdDSA", b"x", kid=None),
    "header that is no JSON": lambda _: f"{_encoded(b'nonsense')}.{_encoded(b'{}')}.x",
    "header that is a list": lambda _: f"{_encoded(b'[]')}.{_encoded(b'{}')}.x",
    "forty thousand characters": lambda _: f"e30.{'x' * 40_000}.x",
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_token_that_is_not_valid_opens_nothing(system: System, forge: Callable[[Mint], str]) -> None:
    ana, _, chat = await system.pair()
    forger = system.holder(forge(Mint(system)))
    body = {"chat_id": chat, "content": "forged"}
    user = {"username": unused(), "password": PASSWORD, "role": "admin"}
    for answer in (
        await forger.call("GET", "/v1/conversations"),
        await forger.call("GET", f"/v1/conversations/{chat}/messages"),
        await forger.call("POST", "/v1/messages", json=body),
        await forger.call("POST", "/v1/users", json=user),
    ):
        refused(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert (forger.token or "") not in answer.text or len(forger.token or "") < 4
    assert (await ana.said(chat, "the first"))["seq"] == 1


async def test_the_mint_makes_tokens_that_are_right(system: System) -> None:
    """So that each of the others is refused for what it says, and not for how it was made."""
    _, _, chat = await system.pair()
    assert await system.holder(Mint(system).token()).history(chat) == []


async def test_a_token_ends_when_it_says_so_although_it_was_used_before(start: Start) -> None:
    system = await start(accounts={"token_seconds": 5})
    ana = await system.login("ana")
    assert await ana.get("/v1/conversations") == []
    end = time.monotonic() + DEADLINE
    while (answer := await ana.call("GET", "/v1/conversations")).status_code == 200:
        assert time.monotonic() < end, "a token of five seconds is still valid"
        await asyncio.sleep(0.05)
    refused(answer, 401, "unauthenticated")


async def test_keys_are_rotated_while_older_tokens_stay_valid(
    start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    keys, data = tmp_path_factory.mktemp("keys"), tmp_path_factory.mktemp("data")
    for name in ("2025", "2026"):
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (keys / f"{name}.pem").write_bytes(pem)
    first = await start(data=data, accounts={"keys_dir": keys, "signing_key": "2025"})
    old = (await first.login("ana")).token or ""
    await first.stop()
    second = await start(data=data, accounts={"keys_dir": keys, "signing_key": "2026"})
    new = (await second.login("ana")).token or ""
    assert [jwt.get_unverified_header(token)["kid"] for token in (old, new)] == ["2025", "2026"]
    assert await second.holder(old).get("/v1/conversations") == []
    await second.stop()
    (keys / "2025.pem").unlink()
    third = await start(data=data, accounts={"keys_dir": keys})
    refused(await third.holder(old).call("GET", "/v1/conversations"), 401, "unauthenticated")
    assert await third.holder(new).get("/v1/conversations") == []
