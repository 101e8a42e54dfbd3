"""Whether a Secret holds what a channel needs. Its keys are named, its values never."""

from typing import Final

import pydantic

from chat4all.channels.kit.manifest import Manifest
from chat4all_operator.conditions import Condition
from chat4all_operator.kinds import CREDENTIALS
from chat4all_operator.observed import SecretFound

_MAX_KEY_BYTES: Final = 64 * 1024
_BOM: Final = "\ufeff"


def resolved(name: str, secret: SecretFound | None, manifest: Manifest) -> Condition:
    """Return the condition CredentialsResolved."""
    if secret is None:
        return _no(
            "SecretMissing", f"There is no Secret {name}: kubectl create secret generic {name} --type={CREDENTIALS} "
            f"{' '.join(f'--from-literal={key}=...' for key in _required(manifest))}",
        )  # fmt: skip
    if secret.type != CREDENTIALS:
        return _no(
            "SecretWrongType",
            f"Secret {name} is of type {secret.type or 'Opaque'}, not {CREDENTIALS}. A type cannot be changed: delete"
            f" the Secret and create it with --type={CREDENTIALS}.",
        )
    if lacking := [key for key in _required(manifest) if key not in secret.data]:
        return _no("SecretLacksKey", f"Secret {name} has no key {', '.join(lacking)}.")
    return _valid(name, secret, manifest)


def _valid(name: str, secret: SecretFound, manifest: Manifest) -> Condition:
    values = {}
    for key in _known(manifest) & set(secret.data):
        text, problem = _text(secret.data[key])
        if problem:
            return _no("SecretInvalid", f"Key {key} of Secret {name} {problem}")
        values[key] = text
    try:
        manifest.credentials.model_validate(values)
    except pydantic.ValidationError as error:
        keys = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False))
        return _no("SecretInvalid", f"Secret {name}: the channel {manifest.name} does not take the value of {keys}.")
    return Condition("CredentialsResolved", "True", "Resolved", f"Secret {name} has every key that is needed.")


def _text(value: bytes) -> tuple[str, str]:
    """A key's value as the connector reads it, and what is wrong with it."""
    if len(value) > _MAX_KEY_BYTES:
        return "", f"has more than {_MAX_KEY_BYTES} bytes."
    try:
        text = value.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return "", "is no text in UTF-8."
    if text.startswith(_BOM):
        return "", "begins with a byte order mark: save the file without it."
    if not text:
        return "", "is empty."
    return text, ""


def _required(manifest: Manifest) -> list[str]:
    fields = manifest.credentials.model_fields
    return sorted(field.alias or name for name, field in fields.items() if field.is_required())


def _known(manifest: Manifest) -> set[str]:
    return {field.alias or name for name, field in manifest.credentials.model_fields.items()}


def _no(reason: str, message: str) -> Condition:
    return Condition("CredentialsResolved", "False", reason, message)
