"""The node's authority and certificates, made with the node and gone with it: they are good for a year."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAYS: Final = 365


class Identity(NamedTuple):
    """Who a certificate is for. `group`: what the API server takes as its group; `names`: names and addresses."""

    file: str
    name: str
    group: str
    names: Sequence[str] = ()


def make(folder: Path, identities: Sequence[Identity]) -> None:
    """Make `ca.crt`, `sa.key`, and a certificate and key for each identity. Those that exist stay."""
    if (folder / "ca.crt").exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(folder / "sa.key", _key())
    authority, subject = _key(), _name("chat4all-node", "")
    certificate = _certificate(subject, subject, authority, authority, [], is_authority=True)
    for one in identities:
        key = _key()
        issued = _certificate(_name(one.name, one.group), subject, key, authority, one.names, is_authority=False)
        (folder / f"{one.file}.crt").write_bytes(issued.public_bytes(serialization.Encoding.PEM))
        _write(folder / f"{one.file}.key", key)
    _write(folder / "ca.key", authority)
    (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _write(file: Path, key: rsa.RSAPrivateKey) -> None:
    file.touch(mode=0o600)
    pem = serialization.PrivateFormat.TraditionalOpenSSL
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption()))


def _name(common: str, organisation: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organisation:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPrivateKey,
    signer: rsa.RSAPrivateKey,
    names: Sequence[str],
    *,
    is_authority: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    made = made.add_extension(_usage(is_authority=is_authority), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if not is_authority:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        made = made.add_extension(authority, critical=False)
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        made = made.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([_alternative(one) for one in names]), critical=False)
    return made.sign(signer, hashes.SHA256())


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    """What a certificate may be used for: since 3.13 Python's TLS asks that an authority's says so."""
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_encipherment=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        **dict.fromkeys(("content_commitment", "data_encipherment", "key_agreement"), False),
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
