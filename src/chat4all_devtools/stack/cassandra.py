"""Cassandra 5, as one node, which is the engine of store and ledger."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from cassandra.cluster import Cluster

from chat4all_devtools.stack import jars
from chat4all_devtools.stack.engine import LOOK_SECONDS, Engine

_VERSION: Final = "5.0.6"
_HERE: Final = Path(__file__).parent / "config"
_JAVA: Final = (
    *("java", "-Xms768m", "-Xmx768m", "-XX:+UseSerialGC"),
    # A single node has nobody to wait for.
    *("-Dcassandra.skip_wait_for_gossip_to_settle=0", "-Dcassandra.ring_delay_ms=1"),
    *("-Dcassandra.superuser_setup_delay_ms=0", "-Dcassandra-foreground=yes"),
)


class Cassandra(Engine):
    """The engine of the store and the ledger."""

    name = "cassandra"
    title = f"Cassandra {_VERSION}"
    default_ports: ClassVar = {"main": 19042, "storage": 17000, "jmx": 17199}

    def install(self) -> None:
        jars.fetch(self._jars, f"org.apache.cassandra:cassandra-all:{_VERSION}")

    def prepare(self) -> None:
        text = (_HERE / "cassandra.yaml").read_text()
        (self.folder / "cassandra.yaml").write_text(text.format(folder=self.folder, host=self.host, **self._ports()))

    def command(self) -> Sequence[str]:
        [jamm] = self._jars.glob("jamm*.jar")
        return [
            *_JAVA,
            *(_HERE / "cassandra-java17.options").read_text().split("\n")[:-1],
            f"-javaagent:{jamm}",
            f"-Dcassandra.config=file://{self.folder}/cassandra.yaml",
            f"-Dcassandra.storagedir={self.folder}/data",
            f"-Dcassandra.jmx.local.port={self.port('jmx')}",
            f"-Dlogback.configurationFile={_HERE}/logback.xml",
            *("-cp", f"{self._jars}/*", "org.apache.cassandra.service.CassandraDaemon"),
        ]

    def version(self) -> str:
        with self.cluster() as cluster:
            row = cluster.connect().execute("SELECT release_version FROM system.local", timeout=LOOK_SECONDS).one()
            return str(row.release_version)

    def cluster(self, **how: Any) -> Cluster:
        """A way to it that is patient. `how`: what the driver is told besides."""
        patience = {"connect_timeout": LOOK_SECONDS, "control_connection_timeout": LOOK_SECONDS}
        return Cluster([self.host], port=self.port(), **patience, **how)

    @property
    def _jars(self) -> Path:
        return self.library / f"cassandra-{_VERSION}"
