"""The engines as production has them: TLS with a certificate from each client, and a password."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import minio
import psycopg2
import redis
import urllib3
from cassandra.auth import PlainTextAuthProvider

from chat4all_devtools.stack.cassandra import Cassandra
from chat4all_devtools.stack.engine import LOOK_SECONDS, Engine
from chat4all_devtools.stack.kafka import Kafka
from chat4all_devtools.stack.minio import Minio
from chat4all_devtools.stack.postgresql import PostgreSql
from chat4all_devtools.stack.redis import Redis

_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"
_STORE: Final = "of-the-tests"  # the password of Java's key stores, which want one


class Certificates(NamedTuple):
    """Files of PEM. `ca` has signed both others; `foreign` has signed nothing here."""

    ca: Path
    foreign: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """How the health checks speak."""
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.certificate, self.key)
        return context


def certificates(folder: Path) -> Certificates:
    """Made with openssl, for 127.0.0.1: one for servers and clients alike."""
    folder.chmod(0o755)  # PostgreSQL is run by a user of its own
    for name in ("ca", "foreign"):
        _openssl(
            folder, f"req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"
        )
    _openssl(folder, "req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=chat4all")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
    _openssl(
        folder, "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out it.pem"
    )
    _openssl(folder, f"pkcs12 -export -in it.pem -inkey key.pem -out keys.p12 -passout pass:{_STORE}")
    trust = ["keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", "ca.pem", "-keystore", "trust.p12"]
    subprocess.run([*trust, "-storepass", _STORE], cwd=folder, check=True, capture_output=True)
    (folder / "both.pem").write_text((folder / "key.pem").read_text() + (folder / "it.pem").read_text())
    for file in folder.iterdir():
        file.chmod(0o644)
    (folder / "key.pem").chmod(0o600)
    return Certificates(folder / "ca.pem", folder / "foreign.pem", folder / "it.pem", folder / "key.pem")


def _openssl(folder: Path, command: str) -> None:
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


class _Secured(Engine):
    """`made`: its certificates, and everybody's."""

    made: Certificates

    @property
    def files(self) -> Path:
        return self.made.ca.parent


class SecuredRedis(_Secured, Redis):
    def prepare(self) -> None:
        super().prepare()
        file, made = self.folder / "redis.conf", self.made
        lines = [f"tls-port {self.port()}", f"tls-cert-file {made.certificate}", f"tls-key-file {made.key}"]
        lines += [f"tls-ca-cert-file {made.ca}", "tls-auth-clients yes"]
        file.write_text(file.read_text().replace(f"port {self.port()}", "port 0") + "\n".join(lines) + "\n")

    def version(self) -> str:
        made, password = self.made, self.password.read_text()
        files = {"ssl_ca_certs": str(made.ca), "ssl_certfile": str(made.certificate), "ssl_keyfile": str(made.key)}
        how: dict[str, Any] = {"ssl": True, "socket_timeout": LOOK_SECONDS, **files}
        with redis.Redis(port=self.port(), password=password, **how) as client:
            return str(client.info("server")["redis_version"])


class SecuredPostgreSql(_Secured, PostgreSql):
    def prepare(self) -> None:
        first = not (self.folder / "data").exists()
        super().prepare()
        if first:
            own = Path(shutil.copy(self.made.key, self.folder / "key.pem"))  # the server's user has to own it
            own.chmod(0o600)
            owner = (self.folder / "data").stat()
            shutil.chown(own, owner.st_uid, owner.st_gid)
            rule = "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"
            (self.folder / "data" / "pg_hba.conf").write_text(rule)

    def command(self) -> Sequence[str]:
        said = {"ssl": "on", "ssl_cert_file": self.made.certificate, "ssl_ca_file": self.made.ca}
        said["ssl_key_file"] = self.folder / "key.pem"
        return [*super().command(), *(part for name, value in said.items() for part in ("-c", f"{name}={value}"))]

    def version(self) -> str:
        made = {"sslrootcert": self.made.ca, "sslcert": self.made.certificate, "sslkey": self.made.key}
        login = {"user": "chat4all", "password": self.password.read_text(), "dbname": "postgres"}
        place = {"host": "127.0.0.1", "port": self.port(), "connect_timeout": int(LOOK_SECONDS)}
        psycopg2.connect(sslmode="verify-full", **place, **login, **made).close()
        return "well"


class SecuredKafka(_Secured, Kafka):
    """Clients log in with SCRAM over TLS; it speaks to itself in the clear, on a port of its own."""

    default_ports = {**Kafka.default_ports, "inner": 19094}  # noqa: RUF012 - as the class above has it

    def prepare(self) -> None:
        first = not (self.folder / "data").exists()
        scram = f"SCRAM-SHA-512=[name=chat4all,password={self.password.read_text()}]"
        self.configure(
            {
                "listeners": "SASL_SSL://127.0.0.1:{main},INNER://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}",
                "advertised.listeners": "SASL_SSL://127.0.0.1:{main},INNER://127.0.0.1:{inner}",
                "inter.broker.listener.name": "INNER",
                "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,INNER:PLAINTEXT,SASL_SSL:SASL_SSL",
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                # Where users log in with SCRAM the module is to be named, though it is told nothing.
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(self.files / "both.pem"),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.made.ca),
                "listener.name.sasl_ssl.ssl.client.auth": "required",
            },
            format_with=["--add-scram", scram] if first else [],
        )

    def version(self) -> str:
        address = ("127.0.0.1", self.port())
        with socket.create_connection(address, LOOK_SECONDS) as plain:
            self.made.context().wrap_socket(plain, server_hostname=address[0]).close()
        return "well"


class SecuredCassandra(_Secured, Cassandra):
    """Its first user is called cassandra, and so is that one's password."""

    def prepare(self) -> None:
        super().prepare()
        file = self.folder / "cassandra.yaml"
        text = file.read_text().replace("AllowAllAuthenticator", "PasswordAuthenticator")
        stores = {"keystore": "keys.p12", "truststore": "trust.p12"}
        lines = ["client_encryption_options:", "  enabled: true", "  optional: false", "  require_client_auth: true"]
        for store, name in stores.items():
            lines += [f"  {store}: {self.files / name}", f"  {store}_password: {_STORE}"]
        file.write_text("\n".join([text, *lines, "  store_type: PKCS12"]) + "\n")
        self.password.write_text("cassandra")

    def version(self) -> str:
        login = PlainTextAuthProvider("cassandra", "cassandra")
        with self.cluster(auth_provider=login, ssl_context=self.made.context()) as cluster:
            cluster.connect()
        return "well"


class SecuredMinio(_Secured, Minio):
    def prepare(self) -> None:
        super().prepare()
        there = self.folder / "certs"
        (there / "CAs").mkdir(parents=True, exist_ok=True)
        for file, name in ((self.made.certificate, "public.crt"), (self.made.key, "private.key")):
            shutil.copy(file, there / name)

    def command(self) -> Sequence[str]:
        return [*super().command(), "--certs-dir", str(self.folder / "certs")]

    def version(self) -> str:
        login: dict[str, Any] = {"access_key": "chat4all", "secret_key": self.password.read_text()}
        with urllib3.PoolManager(timeout=LOOK_SECONDS, retries=False, ssl_context=self.made.context()) as pool:
            minio.Minio(self.address, secure=True, http_client=pool, **login).list_buckets()
        return "well"


SECURED: Final[dict[str, type[_Secured]]] = {
    kind.name: kind for kind in (SecuredKafka, SecuredCassandra, SecuredPostgreSql, SecuredRedis, SecuredMinio)
}
