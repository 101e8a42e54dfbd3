"""Keys, tokens, passwords."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from chat4all.accounts.keys import Keyring
from chat4all.accounts.passwords import Passwords
from chat4all.accounts.settings import AccountsSettings
from chat4all.accounts.tokens import Tokens
from chat4all.directory.port import Role
from chat4all.model.errors import Refusal, StartError
from chat4all.processes.installation import demo_hash

SETTINGS = AccountsSettings()


def write(folder, name, key, *, public=False):
    folder.mkdir(exist_ok=True)
    if public:
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    else:
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    (folder / name).write_bytes(pem)


def generate():
    return ed25519.Ed25519PrivateKey.generate()


def test_an_empty_folder_gets_a_key_once_with_a_loud_warning(tmp_path, caplog):
    first = Keyring.load_or_make(tmp_path / "keys")
    assert "CREATED A SIGNING KEY" in caplog.text
    caplog.clear()
    second = Keyring.load_or_make(tmp_path / "keys")
    assert not caplog.text
    assert first.public.keys() == second.public.keys()
    (file,) = (tmp_path / "keys").iterdir()
    assert file.stat().st_mode & 0o077 == 0, "nobody else can read it"


def broken(tmp_path):
    (tmp_path / "a.pem").write_text("no key")


def broken_public(tmp_path):
    (tmp_path / "a.pub.pem").write_text("no key")


def other_curve(tmp_path):
    write(tmp_path, "a.pem", ec.generate_private_key(ec.SECP256R1()))


def other_curve_public(tmp_path):
    write(tmp_path, "a.pub.pem", ec.generate_private_key(ec.SECP256R1()), public=True)


def nothing(_):
    """Leaves it empty."""


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (nothing, "CHAT4ALL_ACCOUNTS__KEYS_DIR"),
        (broken, "a.pem is no private key"),
        (broken_public, "a.pub.pem is no public key"),
        (other_curve, "not an Ed25519 key"),
        (other_curve_public, "not an Ed25519 key"),
    ],
)
def test_a_folder_without_a_good_key_ends_the_start(tmp_path, made, said):
    made(tmp_path)
    with pytest.raises(StartError, match=said):
        Keyring.load(tmp_path)


def test_a_signing_key_that_is_not_there_ends_the_start(tmp_path):
    write(tmp_path, "a.pem", generate())
    with pytest.raises(StartError, match="CHAT4ALL_ACCOUNTS__SIGNING_KEY"):
        Keyring.load(tmp_path, "b")


def test_keys_are_rotated_without_logging_anyone_out(tmp_path):
    old, new = generate(), generate()
    write(tmp_path, "2026-01.pem", old)
    before = Tokens(Keyring.load(tmp_path), SETTINGS).issue("ana", Role.AGENT)
    write(tmp_path, "2026-02.pem", new)
    tokens = Tokens(Keyring.load(tmp_path), SETTINGS)
    after = tokens.issue("ana", Role.AGENT)
    assert jwt.get_unverified_header(after)["kid"] == "2026-02", "the last one by name signs"
    assert Tokens(Keyring.load(tmp_path, "2026-01"), SETTINGS).issue("ana", Role.AGENT) != after
    assert tokens.verify(before).username == tokens.verify(after).username == "ana"
    (tmp_path / "2026-01.pem").unlink()
    with pytest.raises(Refusal):
        Tokens(Keyring.load(tmp_path), SETTINGS).verify(before)


def test_a_process_with_public_keys_verifies_and_cannot_issue(tmp_path):
    key = generate()
    write(tmp_path / "all", "k.pem", key)
    write(tmp_path / "public", "k.pub.pem", key, public=True)
    token = Tokens(Keyring.load(tmp_path / "all"), SETTINGS).issue("ana", Role.ADMIN)
    gateway = Tokens(Keyring.load(tmp_path / "public"), SETTINGS)
    assert gateway.verify(token).role is Role.ADMIN
    with pytest.raises(StartError, match="public keys only"):
        gateway.issue("ana", Role.ADMIN)


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    key = generate()
    write(folder, "k.pem", key)
    return key, Tokens(Keyring.load(folder), SETTINGS)


def claims(**changed):
    now = int(time.time())
    base = {
        "iss": "chat4all",
        "aud": "chat4all",
        "sub": "ana",
        "role": "admin",
        "iat": now,
        "exp": now + 60,
        "jti": "1",
    }
    return {name: value for name, value in (base | changed).items() if value is not None}


FORGED = {
    "expired": {"exp": 1},
    "another audience": {"aud": "others"},
    "another issuer": {"iss": "others"},
    "no subject": {"sub": None},
    "no role": {"role": None},
    "an unknown role": {"role": "god"},
    "no expiry": {"exp": None},
    "issued in the future": {"iat": 99_999_999_999},
    "no token id": {"jti": None},
}


@pytest.mark.parametrize("changed", FORGED.values(), ids=FORGED)
def test_a_signed_token_with_wrong_claims_is_refused(signer, changed):
    key, tokens = signer
    token = jwt.encode(claims(**changed), key, algorithm="EdDSA", headers={"kid": "k"})
    with pytest.raises(Refusal) as refused:
        tokens.verify(token)
    assert refused.value.code == "unauthenticated"


def unsigned(algorithm):
    header, body = ({"alg": algorithm, "typ": "JWT", "kid": "k"}, claims())
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, body)
    )


HOSTILE = {
    "none": lambda _: unsigned("none") + ".",
    "None with a signature": lambda _: unsigned("None") + ".AAAA",
    "another's key": lambda _: jwt.encode(claims(), generate(), algorithm="EdDSA", headers={"kid": "k"}),
    "an unknown key id": lambda key: jwt.encode(claims(), key, algorithm="EdDSA", headers={"kid": "x"}),
    "no key id": lambda key: jwt.encode(claims(), key, algorithm="EdDSA"),
    "a shared secret": lambda _: jwt.encode(claims(), "k" * 64, algorithm="HS256", headers={"kid": "k"}),
    "nothing": lambda _: "",
    "no token": lambda _: "no.token.at.all",
    "not ASCII": lambda _: "é.é.é",
}


@pytest.mark.parametrize("made", HOSTILE.values(), ids=HOSTILE)
def test_a_forged_token_is_refused(signer, made):
    key, tokens = signer
    with pytest.raises(Refusal) as refused:
        tokens.verify(made(key))
    assert refused.value.code == "unauthenticated"


def test_a_token_that_was_good_is_refused_once_it_has_expired(signer, monkeypatch):
    _, tokens = signer
    token = tokens.issue("ana", Role.USER)
    assert tokens.verify(token).username == "ana"
    later = time.time() + SETTINGS.token_seconds + 1
    monkeypatch.setattr("chat4all.accounts.tokens.time.time", lambda: later)
    with pytest.raises(Refusal, match="expired"):
        tokens.verify(token)


async def test_passwords_are_argon2id_and_fit_only_themselves():
    passwords = Passwords()
    known = await passwords.hash("correct-horse")
    assert known.startswith("$argon2id$v=19$m=65536,t=3,p=4$"), "RFC 9106's second choice"
    assert await passwords.fits("correct-horse", known)
    assert await passwords.fits("demo", await demo_hash()), "whatever another one's hash has cost"
    assert not await passwords.fits("correct-mule", known)
    assert not await passwords.fits("decoy", None), "nobody's password is nobody's"
    assert not await passwords.fits("x", "no hash at all")
    passwords.close()
