"""A folder with the credentials of a connector, a file per key, as Kubernetes mounts a Secret."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pydantic

from chat4all.channels.kit.manifest import Manifest
from chat4all.connectors.rows import NotReadyError
from chat4all.model.connector_reasons import Code

_MAX_KEY_BYTES: Final = 64 * 1024
_DATA: Final = "..data"  # the link that Kubernetes changes when a mounted Secret has changed, all of it at once


class CredentialsFolder:
    """Reads the folder again when it has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: tuple[object, Mapping[str, str]] = (None, {})  # what the folder was like, and what was in it

    def of(self, manifest: Manifest) -> pydantic.BaseModel:
        """Return the credentials of a connector of this channel. Raises NotReadyError."""
        given = self._given()
        fields = manifest.credentials.model_fields
        names = {field.alias or name for name, field in fields.items()}
        required = {field.alias or name for name, field in fields.items() if field.is_required()}
        if lacking := sorted(required - set(given)):
            raise NotReadyError(
                Code.SECRET_MISSING,
                f"CHAT4ALL_CHANNELS__CREDENTIALS_DIR: {self._folder} has no key {', '.join(lacking)}; it waits for it.",
            )
        try:
            return manifest.credentials.model_validate({key: given[key] for key in names & set(given)})
        except pydantic.ValidationError as error:
            keys = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False))
            raise NotReadyError(
                Code.SECRET_INVALID, f"The credentials in {self._folder} are not valid: {keys}."
            ) from None

    def _given(self) -> Mapping[str, str]:
        """What is in the folder, by key: read again when it has changed."""
        try:
            state = _state(self._folder)
            if state != self._read[0]:
                self._read = state, {file.name: _text(file) for file in _keys(self._folder)}
        except OSError as error:
            raise NotReadyError(
                Code.SECRET_MISSING,
                f"CHAT4ALL_CHANNELS__CREDENTIALS_DIR: cannot read {self._folder}: {error.strerror}.",
            ) from error
        return self._read[1]


def _keys(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if not file.name.startswith("..") and file.is_file()]


def _state(folder: Path) -> object:
    """What is different when the folder has changed: where its `..data` leads, or its files' times."""
    link = folder / _DATA
    if link.is_symlink():
        return str(link.readlink())
    return sorted((file.name, file.stat().st_mtime_ns) for file in _keys(folder))


def _text(file: Path) -> str:
    """A key's value, without the newline that a tool may have put at its end."""
    if file.stat().st_size > _MAX_KEY_BYTES:
        raise NotReadyError(
            Code.SECRET_INVALID, f"Key {file.name} in {file.parent} has more than {_MAX_KEY_BYTES} bytes."
        )
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise NotReadyError(Code.SECRET_INVALID, f"Key {file.name} in {file.parent} is no text in UTF-8.") from None
