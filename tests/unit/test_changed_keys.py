"""Keys that change while a process runs: a new one is known at once where a token names it, an old one is let go of."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chat4all.accounts.keys import Keyring
from chat4all.accounts.settings import AccountsSettings
from chat4all.accounts.tokens import Tokens
from chat4all.directory.port import Role
from chat4all.model.errors import Refusal, UnusableFileError


def private(folder: Path, name: str) -> None:
    key = Ed25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / f"{name}.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


def public(folder: Path, name: str, into: Path) -> None:
    key = serialization.load_pem_private_key((folder / f"{name}.pem").read_bytes(), None)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    (into / f"{name}.pub.pem").write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Where the API has its keys, and the gateway."""
    signing, verifying = tmp_path / "signing", tmp_path / "verifying"
    for folder in (signing, verifying):
        folder.mkdir()
    private(signing, "2026")
    public(signing, "2026", verifying)
    return signing, verifying


def tokens(folder: Path) -> Tokens:
    return Tokens(Keyring.load(folder), AccountsSettings())


def test_a_rotation_step_by_step(folders: tuple[Path, Path]) -> None:
    signing, verifying = folders
    api, gateway = tokens(signing), tokens(verifying)
    old = api.issue("ana", Role.AGENT)
    assert gateway.verify(old).username == "ana"

    private(signing, "2027")
    public(signing, "2027", verifying)
    api.refresh()
    new = api.issue("ana", Role.AGENT)
    assert gateway.verify(new).username == "ana", "a key that it does not know is looked for at once"
    assert api.verify(old) == gateway.verify(old), "the old one is good as long as its key is there"

    (signing / "2026.pem").unlink()
    (verifying / "2026.pub.pem").unlink()
    for one in (api, gateway):
        one.refresh()
        assert one.verify(new).username == "ana"
        with pytest.raises(Refusal, match="not valid"):
            one.verify(old)


def test_a_folder_that_is_empty_for_a_while_changes_nothing(folders: tuple[Path, Path]) -> None:
    signing, verifying = folders
    gateway = tokens(verifying)
    token = tokens(signing).issue("ana", Role.AGENT)
    content = (verifying / "2026.pub.pem").read_bytes()
    (verifying / "2026.pub.pem").unlink()
    with pytest.raises(UnusableFileError):
        gateway.refresh()
    assert gateway.verify(token).username == "ana"
    (verifying / "2026.pub.pem").write_bytes(content)
    gateway.refresh()
    assert gateway.verify(token).username == "ana"
