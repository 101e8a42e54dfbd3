"""Tokens are JWTs signed with EdDSA: whoever has a public key can tell who holds one and until when."""

import contextlib
import functools
import time
from typing import Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chat4all.accounts.keys import Keyring
from chat4all.accounts.settings import AccountsSettings
from chat4all.directory.port import Role
from chat4all.model.errors import Refusal, StartError
from chat4all.model.ids import new_id

_REQUIRED_CLAIMS: Final = ["iss", "aud", "sub", "exp", "iat", "jti", "role"]
_READ_SECONDS: Final = 1.0
_MAX_REMEMBERED_TOKENS: Final = 10_000  # their signatures are checked once


class Identity(msgspec.Struct, frozen=True):
    """Says who holds a token. `expires`: seconds since 1970; `token_id`: unique to the token."""

    username: str
    role: Role
    expires: int
    token_id: str


class Tokens:
    """Issues tokens where the keyring can sign, verifies them everywhere."""

    def __init__(self, keyring: Keyring, settings: AccountsSettings) -> None:
        self._keyring = keyring
        self._settings = settings
        self._next_read = 0.0  # when a key that is not known is looked for again
        self._identity = functools.lru_cache(_MAX_REMEMBERED_TOKENS)(self._check)  # in C: every request asks it

    def refresh(self) -> None:
        """Read the keys again; tokens of a key that is gone are no longer taken. Raises UnusableFileError."""
        if self._keyring.read_again():
            self._identity.cache_clear()

    def issue(self, username: str, role: Role) -> str:
        """Return a token that is valid for `token_seconds`. Raises StartError in a process without a private key."""
        if self._keyring.signing is None:
            raise StartError("This process has public keys only; it cannot issue tokens.")
        key_id, key = self._keyring.signing
        now = int(time.time())
        claims = {
            "iss": self._settings.issuer,
            "aud": self._settings.audience,
            "sub": username,
            "role": str(role),
            "iat": now,
            "exp": now + self._settings.token_seconds,
            "jti": new_id(),
        }
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": key_id})

    def verify(self, token: str) -> Identity:
        """Return who holds the token. Raises Refusal unauthenticated if it has expired, is forged, or not ours."""
        identity = self._identity(token)
        if identity.expires <= time.time():
            raise Refusal("unauthenticated", "The token has expired.")
        return identity

    def _key(self, key_id: str) -> Ed25519PublicKey:
        """Return the key of this id. One that is not known may have been added a moment ago: the folder is read again,
        but not for every forged token. Raises KeyError."""
        if key_id not in self._keyring.public and time.monotonic() >= self._next_read:
            self._next_read = time.monotonic() + _READ_SECONDS
            with contextlib.suppress(StartError):
                self.refresh()
        return self._keyring.public[key_id]

    def _check(self, token: str) -> Identity:
        try:
            key = self._key(jwt.get_unverified_header(token)["kid"])
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                options={"require": _REQUIRED_CLAIMS},
            )
            return Identity(str(claims["sub"]), Role(claims["role"]), int(claims["exp"]), str(claims["jti"]))
        except jwt.ExpiredSignatureError as error:
            raise Refusal("unauthenticated", "The token has expired.") from error
        except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
            raise Refusal("unauthenticated", "The token is not valid.") from error
