"""One client's connection: WebSocket frames on a transport of the loop's, without a task or a copy in between.

The protocol is the websockets package's, without its I/O; that a push is bytes which are written straight to the
transport is what makes it cheap to have thousands of them (docs/adr/0008-pushes-go-straight-to-the-transport.md).
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, cast

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

PROTOCOL: Final = Subprotocol("chat4all")
_LONGEST: Final = 1 << 20  # bytes of a message of the client's
_CLOSING: Final = 5.0  # seconds for a client to take the close frame
_SILENT: Final = 1011
_NOT_TEXT: Final = 1007

_log = logging.getLogger(__name__)
_log_of_frames = logging.getLogger(f"{__name__}.frames")
_log_of_frames.setLevel(logging.WARNING)  # below that it would write headers and addresses, and tokens are in them

Serve = Callable[["Connection", Request], Coroutine[Any, Any, None]]


def wire(frame: bytes) -> bytes:
    """A text frame as it goes over the wire: the same for every connection, since none compresses."""
    return Frame(Opcode.TEXT, frame).serialize(mask=False)


class Connection(asyncio.Protocol):
    """From the request to upgrade on. `serve` is run for it, and answers the handshake by `accept`.

    `connections` and `tasks` are the server's: it asks what is in them to end when it goes away.
    """

    def __init__(self, serve: Serve, connections: set[Any], tasks: set[asyncio.Task[None]]) -> None:
        self.writable = False  # whether `write` is welcome: it is open, and the client keeps up
        self._serve = serve
        self._connections = connections
        self._tasks = tasks
        self._protocol = ServerProtocol(
            subprotocols=[PROTOCOL], select_subprotocol=_select, max_size=_LONGEST, logger=_log_of_frames
        )
        self._transport: asyncio.Transport
        self._heard: Callable[[str], None] | None = None
        self._lost: Callable[[], None] | None = None
        self._leave: Callable[[], None] | None = None
        self._early: list[str] = []
        self._response: Response | None = None  # the handshake's, while it is not answered
        self._served = False
        self._parts: list[bytes] = []
        self._text = True  # of what is being heard: text has to be UTF-8, bytes may be anything
        self._holds: set[str] = set()  # why nothing is read just now
        self._goodbye = False  # we have said it, and wait for the client's
        self._failed = False  # nothing more is to be understood of this client
        self._unread = -1  # bytes that the client had not taken at the last look
        self._change: asyncio.Future[None] | None = None  # of `writable`, or the end
        self._ended = False
        self._alive = True
        self._shutdown = False

    # What a session does with it

    def attach(self, heard: Callable[[str], None], lost: Callable[[], None], leave: Callable[[], None]) -> None:
        """From now on `heard` gets what the client says; `lost` is called when it has gone, `leave` when we are to."""
        self._heard, self._lost, self._leave = heard, lost, leave
        for said in self._early:
            heard(said)
        self._early = []
        if self._ended:
            lost()
        elif self._shutdown:
            leave()
        else:
            self._release("nobody hears it yet")

    def accept(self) -> None:
        """Answer the handshake, where that is still to be done: from now on the client counts on what it is sent."""
        response, self._response = self._response, None
        if response is None or self._transport.is_closing():
            return
        self._protocol.send_response(response)
        self.writable = True
        self._flush()

    def write(self, data: bytes) -> None:
        """Hand over bytes made by `wire`. They are kept for a client that reads slowly: ask `writable` first."""
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait until it is writable. Raises ConnectionError when it is not going to be."""
        while not self.writable:
            if self._ended or self._transport.is_closing():
                raise ConnectionError("the client has gone")
            await self._changes()

    def pause(self) -> None:
        """Read nothing more from this client for now, and so make it wait."""
        self._hold("its frames wait")

    def listen(self) -> None:
        """Go on reading what this client says, after `pause`."""
        self._release("its frames wait")

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye, and wait a moment for the client to answer; one that does not read is broken off."""
        self.accept()  # only then can a browser see why
        self.writable = False
        try:
            self._protocol.send_close(code, reason.encode()[:120].decode(errors="ignore"))
        except InvalidState:  # it has begun to close already
            self._end()
        else:
            self._flush()
            self._goodbye = True
            self._release(*self._holds)  # or the answer would not be read
        if self._shutdown:
            self._end()
        try:
            async with asyncio.timeout(_CLOSING):
                while not self._ended:
                    await self._changes()
        except TimeoutError:
            _log.info("A client did not wait for its close frame")
            self._break_off()

    def check(self) -> None:
        """Called now and then: whoever said nothing since the last call, not even a pong, or took nothing, has gone."""
        if self._transport.is_closing() or self._protocol.state is not State.OPEN:
            return
        waiting = self._transport.get_write_buffer_size() if not self.writable else -1
        silent = not self._alive and not self._holds
        if silent or waiting == self._unread != -1:
            self._protocol.fail(_SILENT, "no answer to a ping")
            self._flush()
            self._break_off()
            return
        self._alive = False
        self._unread = waiting
        if self.writable:
            self._protocol.send_ping(b"")
            self._flush()

    # What the loop and the server say to it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is ours, its request has not been looked at yet."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client: the handshake first, then frames."""
        self._alive = True
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._on_request(event)
            elif isinstance(event, Frame) and not self._goodbye:
                self._on_frame(event)
        if self._goodbye or self._response is not None:
            self._protocol.data_to_send()  # answers to pings: nobody waits for them any more, or may have them yet
        else:
            self._flush()
        if self._failed or self._protocol.parser_exc is not None or self._protocol.close_rcvd is not None:
            self._end()

    def eof_received(self) -> None:
        """The client writes nothing more: the loop closes the transport."""
        self._protocol.receive_eof()
        self._end()

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the connection has ended, by whichever side."""
        _ = error
        self._ended = True
        self.writable = False
        self._connections.discard(self)
        self._changed()
        if self._lost is not None:
            self._lost()

    def pause_writing(self) -> None:
        """The client does not keep up: nor is more taken from it, for that may want answers."""
        self.writable = False
        self._hold("it does not read")

    def resume_writing(self) -> None:
        """The client keeps up again: it may be written to, and is read from."""
        self.writable = not self._transport.is_closing() and self._protocol.state is State.OPEN
        self._release("it does not read")
        self._changed()

    def shutdown(self) -> None:
        """The server goes away: whoever serves this says goodbye, and then no answer is waited for."""
        self._shutdown = True
        if self._leave is not None:
            self._leave()
        elif not self._served or self._goodbye:
            self._end()

    # Inside

    def _on_request(self, request: Request) -> None:
        response = self._protocol.accept(request)
        if response.status_code == 101 and request.path.partition("?")[0] != "/ws":
            response = self._protocol.reject(404, "There is a WebSocket at /ws only.\n")
        if response.status_code != 101:
            self._protocol.send_response(response)
            self._failed = True
            return
        self._response, self._served = response, True
        self._hold("nobody hears it yet")
        task = asyncio.get_running_loop().create_task(self._serve(self, request))
        self._tasks.add(task)
        task.add_done_callback(self._on_served)

    def _on_served(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("A session failed", exc_info=error)
        self._end()

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        if frame.data:
            self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        whole, self._parts = b"".join(self._parts), []
        try:
            said = whole.decode(errors="strict" if self._text else "surrogateescape")
        except UnicodeDecodeError:
            self._protocol.fail(_NOT_TEXT, "not UTF-8")
            self._failed = True
            return
        if self._heard is None:
            self._early.append(said)
        else:
            self._heard(said)

    def _flush(self) -> None:
        """Write what the protocol has to say; its empty piece means that nothing follows."""
        out = b"".join(self._protocol.data_to_send())
        if out and not self._transport.is_closing():
            self._transport.write(out)

    def _hold(self, why: str) -> None:
        if not self._holds and not self._transport.is_closing():
            self._transport.pause_reading()
        self._holds.add(why)

    def _release(self, *reasons: str) -> None:
        if not self._holds:
            return
        self._holds.difference_update(reasons)
        if not self._holds:
            self._alive = True  # it was not asked, while nothing was read
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _end(self) -> None:
        """Close what is to be closed; the client has a moment to take what was written."""
        if self._ended or self._transport.is_closing():
            return
        self.writable = False
        self._transport.close()
        self._changed()
        asyncio.get_running_loop().call_later(_CLOSING, self._break_off)

    async def _changes(self) -> None:
        if self._change is None:
            self._change = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._change)

    def _changed(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)
        self._change = None

    def _break_off(self) -> None:
        """Without the reset, the kernel would go on keeping what the client does not take."""
        if not self._ended:
            at_once = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            self._transport.abort()


def _select(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Only ours is ever picked; the other one that clients offer holds the token."""
    _ = protocol
    return PROTOCOL if PROTOCOL in offered else None
