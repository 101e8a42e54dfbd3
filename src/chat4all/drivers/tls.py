"""The settings that connections to all engines have in common: TLS, and a password that stands in a file."""

import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final, TypeVar

import pydantic

from chat4all.model.errors import UnusableFileError

T = TypeVar("T")

_LOADING: Final = threading.Lock()  # not in the settings, which are copied


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

    _context: ssl.SSLContext | None = pydantic.PrivateAttr(None)
    _loaded: tuple[int, ...] = pydantic.PrivateAttr(())  # when the files in it were changed, ns

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return how TLS is spoken, or None if it is not: always the same object, into which files that have changed
        are loaded again, so that they hold for the next connection of whoever has it.

        Raises UnusableFileError that names the setting and the file.
        """
        if not self.tls:
            return None
        files = [file for file in (self.ca_file, self.certificate_file, self.key_file) if file is not None]
        with _LOADING:  # connections are made in threads too
            changed = tuple(_changed_at(file) for file in files)
            if self._context is None or changed != self._loaded:
                context = self._context or _context(system_authorities=self.ca_file is None)
                self._load(_context(system_authorities=False))  # a file that is no good spoils what nobody uses
                self._load(context)
                self._context, self._loaded = context, changed
            return self._context

    def _load(self, context: ssl.SSLContext) -> None:
        if self.ca_file is not None:
            self._read("CA_FILE", self.ca_file, lambda: context.load_verify_locations(self.ca_file))
        if self.certificate_file is not None:
            chain = self.certificate_file, self.key_file
            self._read("CERTIFICATE_FILE", self.certificate_file, lambda: context.load_cert_chain(*chain))

    def password(self) -> str:
        """Return the password without the line's end, or "" if no file is set. Raises UnusableFileError."""
        file = self.password_file
        return "" if file is None else self._read("PASSWORD_FILE", file, lambda: file.read_text("utf-8").strip())

    def check_files(self) -> None:
        """Read every file once. Raises UnusableFileError that names the setting and the file."""
        self.ssl_context()
        self.password()

    def _read(self, name: str, file: Path | None, reader: Callable[[], T]) -> T:
        try:
            return reader()
        except (OSError, ssl.SSLError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise UnusableFileError(f"CHAT4ALL_{self.section}__{name}: cannot use {file}: {why}") from error


def _context(*, system_authorities: bool) -> ssl.SSLContext:
    """Return a context that checks the server's certificate and name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.create_default_context().verify_flags  # stricter from Python 3.13 on
    if system_authorities:
        context.load_default_certs()
    return context


def _changed_at(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0  # reading it says what is wrong
