"""The directory has these settings in distributed mode."""

from typing import Any, ClassVar, Literal

import pydantic
import sqlalchemy as sa

from chat4all.drivers.tls import Secured


class DirectorySettings(Secured):
    """The SQL database of distributed mode: CockroachDB, or PostgreSQL."""

    section: ClassVar = "DIRECTORY"

    dialect: Literal["cockroachdb", "postgresql"] = pydantic.Field(
        "cockroachdb", description="What it is: cockroachdb or postgresql."
    )
    host: str = pydantic.Field("127.0.0.1", min_length=1, description="Its name or address.")
    port: int = pydantic.Field(
        26_257, ge=1, le=65_535, json_schema_extra={"unit": "TCP port"}, description="Its port; PostgreSQL's is 5432."
    )
    database: str = pydantic.Field("chat4all", min_length=1, description="The database, which has to be there.")
    connections: int = pydantic.Field(
        8,
        ge=1,
        le=100,
        json_schema_extra={"unit": "connections"},
        description="Connections of this process, each with a thread.",
    )
    connect_seconds: int = pydantic.Field(
        3, ge=1, le=30, json_schema_extra={"unit": "s"}, description="How long a connection may take to be made."
    )
    statement_seconds: float = pydantic.Field(
        4.0, gt=0, le=30, json_schema_extra={"unit": "s"}, description="How long the database is at one statement."
    )

    def url(self) -> sa.URL:
        """Return the database's URL, with user and password. Raises UnusableFileError."""
        name, password = self.user or None, self.password() or None
        driver = f"{self.dialect}+psycopg2"
        return sa.URL.create(driver, name, password, self.host, self.port, self.database)

    def connects(self) -> dict[str, Any]:
        """Return the driver's arguments beside URL and password. Raises UnusableFileError."""
        self.ssl_context()  # the driver reads the files itself, and only when it connects
        files = {"sslrootcert": self.ca_file, "sslcert": self.certificate_file, "sslkey": self.key_file}
        secured = {name: str(file) for name, file in files.items() if file is not None} if self.tls else {}
        if self.tls and self.ca_file is None:
            secured["sslrootcert"] = "system"  # https://www.postgresql.org/docs/current/libpq-ssl.html
        return {
            "connect_timeout": self.connect_seconds,
            # A single statement outside of a transaction is serializable, too.
            "options": f"-c statement_timeout={int(self.statement_seconds * 1000)} "
            "-c default_transaction_isolation=serializable",
            "tcp_user_timeout": int(self.statement_seconds * 1000),  # for a server that does not answer any more
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "sslmode": "verify-full" if self.tls else "disable",
            "application_name": "chat4all",
            **secured,
        }
