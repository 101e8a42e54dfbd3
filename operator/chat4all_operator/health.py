"""Health and metrics of the operator, over HTTP."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], Mapping[str, str | None]]  # what is wrong, by name; None: it is well


@contextlib.asynccontextmanager
async def served(host: str, port: int, registry: CollectorRegistry, live: Check, ready: Check) -> AsyncIterator[int]:
    """Serve /livez, /readyz and /metrics while this lasts; the port that it listens on."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=1024)
    app.router.add_get("/livez", _answering(live))
    app.router.add_get("/readyz", _answering(ready))
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _answering(check: Check) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        wrong = {name: problem for name, problem in check().items() if problem}
        return web.json_response(
            {"status": "failing" if wrong else "ok", "problems": wrong}, status=503 if wrong else 200
        )

    return answer
