"""The websockets package's own broadcast(): what is said on /control goes to everyone else as it is.

`python -m bench.floors.broadcast PORT`.
"""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench import floors

_audience: set[ServerConnection] = set()


async def serve_one(connection: ServerConnection) -> None:
    """Listen, or be listened to."""
    if connection.request is not None and connection.request.path == "/control":
        async for said in connection:
            broadcast(_audience, said, text=True)
        return
    _audience.add(connection)
    try:
        await connection.wait_closed()
    finally:
        _audience.discard(connection)


async def main(port: int) -> None:
    """Serve, without compression, as the server under test."""
    async with serve(serve_one, sock=floors.listen(port), backlog=floors.BACKLOG, compression=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    floors.run(main(int(sys.argv[1])))
