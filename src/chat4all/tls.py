"""What the connections to all engines have in common: TLS, and passwords that stand in files."""

import ssl
from pathlib import Path

import pydantic

from chat4all.model.errors import StartError


class Secured(pydantic.BaseModel):
    """A connection that may be encrypted, and the file of its password."""

    tls: bool = pydantic.Field(False, description="Whether to speak TLS; the server's certificate is then checked.")
    ca_file: Path | None = pydantic.Field(
        None, description="Authorities that are trusted, as PEM. Unset: those of the system."
    )
    certificate_file: Path | None = pydantic.Field(None, description="Certificate of this client, as PEM.")
    key_file: Path | None = pydantic.Field(None, description="Key of that certificate, as PEM.")
    user: str = pydantic.Field("", description="Who logs in; empty: nobody has to.")
    password_file: Path | None = pydantic.Field(None, description="File whose only content is the password.")

    def ssl_context(self) -> ssl.SSLContext | None:
        """How TLS is spoken; None: it is not. Raises StartError that names the file."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file is not None:
                context.load_cert_chain(self.certificate_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise StartError(f"TLS: {self.ca_file or ''} {self.certificate_file or ''}: {error}") from error
        return context

    def password(self) -> str:
        """The password, without the line's end; empty where there is no file. Raises StartError."""
        if self.password_file is None:
            return ""
        try:
            return self.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise StartError(f"Cannot read the password in {self.password_file}: {error.strerror}") from error
