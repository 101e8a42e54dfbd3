"""The settings that connections to all engines have in common: TLS, and a password that stands in a file."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

import pydantic

from chat4all.model.errors import StartError

T = TypeVar("T")


class Secured(pydantic.BaseModel):
    """A connection that may be encrypted, and the file of its password. `section`: of the settings, for errors."""

    section: ClassVar[str]

    tls: bool = pydantic.Field(False, description="Whether to speak TLS; the server's certificate is then checked.")
    ca_file: Path | None = pydantic.Field(
        None, description="Authorities that are trusted, as PEM. Unset: those of the system."
    )
    certificate_file: Path | None = pydantic.Field(None, description="Certificate of this client, as PEM.")
    key_file: Path | None = pydantic.Field(None, description="Key of that certificate, as PEM.")
    user: str = pydantic.Field("", description="Who logs in; empty: nobody has to.")
    password_file: Path | None = pydantic.Field(None, description="File whose only content is the password.")

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return how TLS is spoken, or None if it is not. Raises StartError that names the setting and the file."""
        if not self.tls:
            return None
        context = self._read("CA_FILE", self.ca_file, lambda: ssl.create_default_context(cafile=self.ca_file))
        if self.certificate_file is not None:
            files = self.certificate_file, self.key_file
            self._read("CERTIFICATE_FILE", self.certificate_file, lambda: context.load_cert_chain(*files))
        return context

    def password(self) -> str:
        """Return the password without the line's end, or "" if no file is set. Raises StartError."""
        file = self.password_file
        return "" if file is None else self._read("PASSWORD_FILE", file, lambda: file.read_text("utf-8").strip())

    def _read(self, name: str, file: Path | None, reader: Callable[[], T]) -> T:
        try:
            return reader()
        except (OSError, ssl.SSLError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise StartError(f"CHAT4ALL_{self.section}__{name}: cannot use {file}: {why}") from error
