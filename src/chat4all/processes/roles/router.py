"""The router: sequences what was accepted, stores it, tells whoever is there, and plans what goes out."""

from typing import TYPE_CHECKING

from chat4all.routing import router
from chat4all.routing.dispatch import Dispatch

if TYPE_CHECKING:
    from chat4all.processes.host import Host


class RouterRole:
    """The role sequences the log, stores it, tells whoever is there, and plans what goes out."""

    def __init__(self, host: "Host") -> None:
        self._host = host

    async def start(self, epoch: int) -> None:
        host, engines = self._host, self._host.engines
        dispatch = Dispatch(
            log=engines.log,
            store=engines.store,
            ledger=engines.ledger,
            directory=engines.directory,
            channels=engines.channels,
        )
        made = router.Router(
            log=engines.log,
            store=engines.store,
            directory=engines.directory,
            realtime=engines.realtime,
            dispatch=dispatch,
            metrics=engines.metrics,
            epoch=epoch,
            settings=host.settings.routing,
            traces=engines.traces,
        )
        host.checks["partitions"] = lambda: "; ".join(made.stopped.values()) or None
        host.loops.start("router", made.run(), ends=made.end)

    async def serve(self) -> None:
        """It listens to nobody: what it works on comes from the log."""
