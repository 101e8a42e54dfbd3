"""A bare websockets server: whoever says something is sent the same frames, a line of a file each.

`python -m bench.floors.replay PORT FILE`.
"""

import asyncio
import sys
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve

from bench import floors


async def main(port: int, frames: list[bytes]) -> None:
    """Serve, without compression and without a deadline for handshakes: all of them come at once."""

    async def replay(connection: ServerConnection) -> None:
        await connection.recv()
        for frame in frames:
            await connection.send(frame, text=True)
        await connection.wait_closed()

    listening = floors.listen(port)
    async with serve(replay, sock=listening, backlog=floors.BACKLOG, compression=None, open_timeout=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    floors.run(main(int(sys.argv[1]), Path(sys.argv[2]).read_bytes().splitlines()))
