"""picows, a peer written in C: what is said on /control goes to everyone else as it is.

`python -m bench.floors.picows_peer PORT`.
"""

import asyncio
import sys

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from bench import floors

_audience: set[WSTransport] = set()


class Ear(WSListener):
    """Someone who listens."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        _audience.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        _audience.discard(transport)


class Mouth(WSListener):
    """The one who says it."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            transport.disconnect()
            return
        said = frame.get_payload_as_bytes()
        for listener in _audience:
            listener.send(WSMsgType.TEXT, said)


def listener(request: WSUpgradeRequest) -> WSListener:
    """By path."""
    return Mouth() if request.path == b"/control" else Ear()


async def main(port: int) -> None:
    """Serve, with its defaults."""
    server = await ws_create_server(listener, "127.0.0.1", port, backlog=floors.BACKLOG)
    async with server:
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    floors.run(main(int(sys.argv[1])))
