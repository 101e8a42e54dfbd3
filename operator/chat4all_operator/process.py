"""The operator as one process: made from its settings, run until it is told to end, and its farewell."""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

from chat4all.channels.kit import registry as channels
from chat4all.model.errors import StartError
from chat4all.telemetry import logs
from chat4all_operator import cluster as clusters
from chat4all_operator import definition, farewell, health, settings, template
from chat4all_operator.cluster import Cluster, ClusterError, UnreachableError
from chat4all_operator.controller import Controller
from chat4all_operator.farewell import LeftError
from chat4all_operator.lease import OperatorLease
from chat4all_operator.metrics import Metrics
from chat4all_operator.observed import World
from chat4all_operator.registered import Registered
from chat4all_operator.registry import Registry
from chat4all_operator.seen import Seen
from chat4all_operator.settings import Settings
from chat4all_operator.watch import Watch
from chat4all_operator.writer import Writer

_logger = logging.getLogger(__name__)

_PART_SECONDS: Final = 40.0  # of the 60 that it gets to end
_ASKS: Final = 3
_DEFINITION_SECONDS: Final = 30.0  # between looks at what the cluster knows of our kind


class Operator:
    """One operator. Its parts are made in the loop that they work in."""

    def __init__(self, given: Settings, cluster: Cluster, registry: Registry, metrics: Metrics) -> None:
        self._settings = given
        self._cluster = cluster
        self._metrics = metrics
        pod = given.pod or socket.gethostname()
        self._lease = OperatorLease(cluster, f"{given.release}/{pod}", metrics)
        self._registered = Registered(registry, self._on_rows)
        found = Seen()
        writer = Writer(cluster, self._registered, found, metrics, self._may_write)
        world = World(
            namespace=given.namespace,
            managed_by=given.managed_by,
            release=given.release,
            image=given.image,
            hooks=given.hooks,
            template=template.read(given.pod_template),
            manifests=channels.installed(),
            unregister_seconds=given.unregister_seconds,
        )
        self._controller = Controller(
            cluster, self._registered, writer, found, world=world, settings=given, metrics=metrics
        )
        self._definition: str | None = "the cluster's definition has not been looked at yet"

    def live(self) -> Mapping[str, str | None]:
        """Return what only a new start could mend, a sentence by name; None: that is well."""
        blind = time.monotonic() - self._controller.seen_at
        problem = f"the cluster has not been seen for {blind:.0f} s" if blind > self._settings.blind_seconds else None
        return {"cluster": problem}

    def ready(self) -> Mapping[str, str | None]:
        """Return what keeps it from acting, a sentence by the name of what it waits for; None: that is well."""
        return {
            **self.live(),
            "lease": self._lease.problem,
            "lists": self._controller.problem,
            "definition": self._definition,
        }

    def _on_rows(self, uids: set[str]) -> None:
        self._controller.on_rows(uids)

    def _may_write(self) -> bool:
        return self._lease.held() and self._definition is None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; then the watch ends first, and what has to be freed is freed."""
        watch = Watch(self._cluster.client, self._settings.namespace, self._controller.on_event, self._metrics)
        loops = [self._lease.run(), self._look_at_definition(), self._controller.poll(), self._controller.resync()]
        tasks = [asyncio.ensure_future(one) for one in (watch.run(), *loops, self._controller.work())]
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        self._controller.close()
        for task in [*tasks, stopping]:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await self._part()
        broken = next((one for one in ended if isinstance(one, Exception)), None)
        if broken is not None:
            raise broken

    async def _part(self) -> None:
        try:
            if await self._is_terminating():
                freed = await farewell.free_in_time(self._cluster, _PART_SECONDS)
                _logger.warning(
                    "The namespace is being deleted: %d connectors go without telling their providers", freed
                )
            await self._lease.release()
        except (ClusterError, UnreachableError, LeftError) as error:
            _logger.warning("Not everything was tidied up: %s", error)

    async def _is_terminating(self) -> bool:
        """Whether its namespace is being deleted, asked more than once where no answer comes."""
        for _ in range(_ASKS - 1):
            try:
                return await self._cluster.namespace_is_terminating()
            except (ClusterError, UnreachableError) as error:
                _logger.warning("The namespace cannot be read: %s", error)
            await asyncio.sleep(1.0)
        return await self._cluster.namespace_is_terminating()

    async def _look_at_definition(self) -> None:
        while True:
            found = await definition.problem(self._cluster)
            if found != self._definition:
                _logger.log(logging.ERROR if found else logging.INFO, "%s", found or "the cluster's definition fits")
            self._definition = found
            await asyncio.sleep(_DEFINITION_SECONDS if found is None else 3.0)


async def run() -> None:
    """Run the operator until SIGTERM or SIGINT. Raises StartError."""
    given = settings.load()
    logs.configure(given.log_level)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)  # that signals are ours is no news
    stop = asyncio.Event()
    metrics = Metrics()
    async with _connected(given, metrics) as (cluster, registry):
        operator = Operator(given, cluster, registry, metrics)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with health.served(given.host, given.port, metrics.registry, operator.live, operator.ready) as port:
            _logger.info("The operator of %s works; health and metrics are on port %d", given.managed_by, port)
            await operator.run(stop)


async def leave() -> str:
    """Stop the operator of this release and let its connectors stand still; return what was done, in a sentence.

    Raises StartError where the settings are wrong, the cluster refuses, or finalizers are left.
    """
    given = settings.load()
    logs.configure(given.log_level)
    async with _connected(given, Metrics()) as (cluster, _):
        try:
            return await farewell.stand_still(cluster, f"{given.instance}-operator", given.release)
        except (ClusterError, UnreachableError, LeftError) as error:
            raise StartError(f"Connectors do not all stand still: {error}") from error


@contextlib.asynccontextmanager
async def _connected(given: Settings, metrics: Metrics) -> AsyncIterator[tuple[Cluster, Registry]]:
    client = await clusters.connect()
    registry = Registry(given.api_url, given.token_file, given.managed_by, metrics)
    try:
        yield Cluster(client, given.namespace, metrics), registry
    finally:
        await registry.close()
        await client.close()
