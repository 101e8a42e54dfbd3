"""A bare ASGI application under uvicorn: a task and a queue per connection. What is said on /control goes to everyone.

`python -m bench.floors.asgi_peer PORT`.
"""

import asyncio
import sys
from typing import Final

import uvicorn
from starlette.types import Receive, Scope, Send

from bench import floors

_PENDING: Final = 1000
_audience: set[asyncio.Queue[str]] = set()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Listen, or be listened to."""
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/control":
        while (event := await receive())["type"] == "websocket.receive":
            for one in _audience:
                one.put_nowait(event["text"])
        return
    queue: asyncio.Queue[str] = asyncio.Queue(_PENDING)
    _audience.add(queue)
    while True:  # until the connection is gone: then `send` raises
        await send({"type": "websocket.send", "text": await queue.get()})


async def main(port: int) -> None:
    """Serve with the WebSocket protocol and options that the server under test began with."""
    config = uvicorn.Config(
        application,
        ws="websockets-sansio",
        ws_max_size=1 << 20,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        backlog=floors.BACKLOG,
    )
    await uvicorn.Server(config).serve(sockets=[floors.listen(port)])


if __name__ == "__main__":
    floors.run(main(int(sys.argv[1])))
