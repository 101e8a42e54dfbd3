"""The keys that sign and verify tokens are a folder of Ed25519 keys; several are valid at once, for rotation."""

import logging
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chat4all.accounts import secret_file
from chat4all.model.errors import StartError, UnusableFileError

_log = logging.getLogger(__name__)

_PUBLIC_SUFFIX: Final = ".pub.pem"


class Keyring:
    """Holds public keys by key id, and the private key that signs, if this process has one.

    To rotate: add a key, wait until every process has it, make it the signing one, and remove the old one when the
    last token that it signed has expired.
    """

    def __init__(
        self,
        public: Mapping[str, Ed25519PublicKey],
        signing: tuple[str, Ed25519PrivateKey] | None,
        *,
        folder: Path | None = None,
        signing_key: str = "",
    ) -> None:
        self.public = public
        self.signing = signing
        self._folder = folder
        self._signing_key = signing_key

    def read_again(self) -> bool:
        """Take what is in the folder now; whether anything is different. Raises UnusableFileError, and keeps what it
        had."""
        if self._folder is None:
            return False
        fresh = Keyring.load(self._folder, self._signing_key)
        before = _raw(self.public), self.signing and self.signing[0]
        self.public, self.signing = fresh.public, fresh.signing
        return before != (_raw(self.public), self.signing and self.signing[0])

    @classmethod
    def load(cls, folder: Path, signing_key: str = "") -> "Keyring":
        """Read the keys in a folder. Raises StartError where it holds no key, a file is no key, or `signing_key` is not
        there."""
        files = sorted(folder.glob("*.pem")) if folder.is_dir() else []
        if not files:
            raise UnusableFileError(
                f"No signing key in {folder}. Put an Ed25519 key there as <key id>.pem "
                "(openssl genpkey -algorithm ed25519), or point CHAT4ALL_ACCOUNTS__KEYS_DIR to a folder that has one."
            )
        private = {f.name.removesuffix(".pem"): _private(f) for f in files if not f.name.endswith(_PUBLIC_SUFFIX)}
        public = {f.name.removesuffix(_PUBLIC_SUFFIX): _public(f) for f in files if f.name.endswith(_PUBLIC_SUFFIX)}
        public |= {key_id: key.public_key() for key_id, key in private.items()}
        if signing_key and private and signing_key not in private:  # whoever has public keys alone signs nothing
            raise UnusableFileError(
                f"CHAT4ALL_ACCOUNTS__SIGNING_KEY is {signing_key}, but {folder} has no {signing_key}.pem."
            )
        signing_id = (signing_key or max(private)) if private else ""
        signing = (signing_id, private[signing_id]) if signing_id else None
        return cls(public, signing, folder=folder, signing_key=signing_key)

    @classmethod
    def load_or_make(cls, folder: Path, signing_key: str = "") -> "Keyring":
        """Read the keys in a folder, for embedded mode; an empty folder gets one first. Raises StartError."""
        if not any(folder.glob("*.pem")):
            try:
                _make(folder)
            except OSError as error:
                raise StartError(f"Cannot keep a signing key in {folder}: {error.strerror}.") from error
            _log.warning(
                "CREATED A SIGNING KEY in %s, readable by this user only. Fine for trying things out; in production, "
                "create your own and set CHAT4ALL_ACCOUNTS__KEYS_DIR.",
                folder,
            )
        return cls.load(folder, signing_key)


def _raw(keys: Mapping[str, Ed25519PublicKey]) -> dict[str, bytes]:
    return {key_id: key.public_bytes_raw() for key_id, key in keys.items()}


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    secret_file.make(folder / f"{uuid.uuid4().hex[:8]}.pem", key)


def _private(file: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError, OSError, UnsupportedAlgorithm) as error:
        raise UnusableFileError(f"{file} is no private key without a passphrase: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableFileError(f"{file} is not an Ed25519 key.")
    return key


def _public(file: Path) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except (ValueError, OSError, UnsupportedAlgorithm) as error:
        raise UnusableFileError(f"{file} is no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UnusableFileError(f"{file} is not an Ed25519 key.")
    return key
