"""Requests to other systems: what was surely not sent, what may have arrived, and nothing secret in what is said."""

import asyncio
import contextlib
import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import traceback

import pytest

from chat4all.drivers import http
from chat4all.drivers.http import MAX_ANSWER_BYTES, BadAddressError, HttpPool, NoAnswerError, NotSentError

SECRET = "s3cr3t-t0ken"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def answer(body, *headers, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


BOMB = gzip.compress(bytes(MAX_ANSWER_BYTES + 1))
ANSWERS = {
    "an answer": (OK, (200, b"{}")),
    "a refusal": (answer(b"no", status="403 Forbidden"), (403, b"no")),
    "a redirect, which is not followed": (
        answer(b"", "Location: http://127.0.0.1:1/elsewhere", status="302 Found"),
        (302, b""),
    ),
    "a packed answer": (answer(gzip.compress(b"[1]"), "Content-Encoding: gzip"), (200, b"[1]")),
    "an answer in chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        (200, b"{}"),
    ),
    "nothing": (b"", NoAnswerError),
    "what is no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", NoAnswerError),
    "half a status": (b"HTTP/1.1 20", NoAnswerError),
    "half a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", NoAnswerError),
    "more than anyone needs": (answer(bytes(MAX_ANSWER_BYTES + 1)), NoAnswerError),
    "more than anyone needs, packed": (answer(BOMB, "Content-Encoding: gzip"), NoAnswerError),
    "what is not packed as it says": (answer(b"{}", "Content-Encoding: gzip"), NoAnswerError),
}


@contextlib.asynccontextmanager
async def serving(*answers, keep=False):
    """A server that gives these answers, one a request, and closes the line after each, or keeps it."""
    given, lines = list(answers), []

    async def serve(reader, writer):
        lines.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while given:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(one.split(b":")[1]) for one in head.split(b"\r\n") if b"Content-Length" in one), 0)
                await reader.readexactly(length)
                writer.write(given.pop(0))
                await writer.drain()
                if not keep:
                    break
            if keep:
                await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", lines
    finally:
        server.close()
        for writer in lines:
            writer.close()


class Forgetful:
    """A server beside this loop that closes each line after its answer, when it is told to, without having said so."""

    def __init__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._turns = threading.Semaphore(0)
        self._closed = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def close_line(self):
        """The line is closed when this returns, and the loop has not heard of it."""
        self._turns.release()
        self._closed.acquire()

    def end(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                with line:
                    heard = b""
                    while b"\r\n\r\n" not in heard:
                        heard += line.recv(65_536)
                    line.sendall(OK)
                    self._turns.acquire()
                self._closed.release()


async def asked(url, seconds=60.0, path=f"/bot{SECRET}/send", body=None):
    async with HttpPool(url, answer_seconds=seconds) as pool:
        return await pool.request("POST", path, body if body is not None else {"text": "Olá"})


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_comes_of_an_answer(name):
    sent, expected = ANSWERS[name]
    async with serving(sent) as (url, _):
        if isinstance(expected, tuple):
            assert tuple(await asked(url)) == expected
        else:
            assert isinstance(expected, type)
            with pytest.raises(expected):
                await asked(url)


async def test_an_answer_that_does_not_come_may_have_been_asked_for():
    async with serving(keep=True) as (url, _):
        with pytest.raises(NoAnswerError):
            await asked(url, seconds=0.1)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1", "http://nowhere.invalid", "https://127.0.0.1:1"],
    ids=["nobody listens", "no such name", "nobody listens, by TLS"],
)
async def test_where_nobody_is_nothing_was_sent(url):
    with pytest.raises(NotSentError):
        await asked(url)


async def test_what_does_not_speak_tls_gets_nothing(monkeypatch):
    monkeypatch.setattr(http, "_CONNECT_SECONDS", 0.2)
    async with serving(OK) as (url, _):
        with pytest.raises(NotSentError):
            await asked(url.replace("http", "https"))


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX: y", "/a\x00", "/ä"])
async def test_what_makes_no_address_is_not_sent(path):
    async with serving(OK) as (url, lines):
        with pytest.raises(BadAddressError):
            await asked(url, path=path)
        assert lines == []


ADDRESSES = ["", "no address", "ftp://127.0.0.1/", "http://[::1", "http://127.0.0.1:99999", "http://a..b"]


@pytest.mark.parametrize("url", [*ADDRESSES, f"http://{'x' * 70}.test"])
async def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(BadAddressError):
        await asked(url)


@pytest.mark.parametrize("value", ["secret\n", "a\r\nX: y", "\x01"])
async def test_a_header_that_is_none_is_not_sent(value):
    async with serving(OK) as (url, lines), HttpPool(url, answer_seconds=60.0) as pool:
        with pytest.raises(BadAddressError):
            await pool.request("POST", "/", headers={"X-Ring": value})
        assert lines == []


async def test_silence_ends_when_it_was_asked_to(monkeypatch):
    """However long a connection from the pool might have taken: that time is not the answer's."""
    monkeypatch.setattr(http, "_POOL_SECONDS", 3600.0)
    async with serving(keep=True) as (url, _):
        with pytest.raises(NoAnswerError, match="SocketTimeoutError"):
            await asked(url, seconds=0.1)


async def test_lines_that_are_closed_while_the_loop_is_busy_are_not_used_again():
    """Nothing would be sent on one, and nobody could know."""
    server = Forgetful()
    try:
        async with HttpPool(server.url, answer_seconds=60.0) as pool:
            for _ in range(5):
                assert (await pool.request("POST", "/")).status == 200
                server.close_line()
    finally:
        server.end()


async def test_a_line_that_was_kept_is_used_again_and_one_that_was_closed_is_not():
    async with serving(OK, OK, keep=True) as (url, lines), HttpPool(url, answer_seconds=60.0) as pool:
        await pool.request("POST", "/")
        await pool.request("POST", "/")
        assert len(lines) == 1
    async with serving(OK, OK) as (url, lines), HttpPool(url, answer_seconds=60.0) as pool:
        await pool.request("POST", "/")
        while not lines[0].transport.is_closing():
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)  # the client's loop is this one: it reads the end of the line meanwhile
        assert (await pool.request("POST", "/")).status == 200
        assert len(lines) == 2


async def test_one_that_is_cancelled_leaves_the_pool_well():
    async with serving(keep=True) as (url, lines), HttpPool(url, answer_seconds=60.0) as pool:
        asking = asyncio.ensure_future(pool.request("POST", "/"))
        while not lines:
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    async with serving(OK) as (url, _):
        assert (await asked(url)).status == 200


SECRET_FAULTS = {
    "nobody listens": ("http://127.0.0.1:1", f"/bot{SECRET}/send", NotSentError),
    "no address": ("http://127.0.0.1:1", f"/bot{SECRET} /send", BadAddressError),
    "no port": (f"http://{SECRET}:port", "/send", BadAddressError),
}


@pytest.mark.parametrize("name", SECRET_FAULTS)
async def test_no_error_tells_what_is_in_the_address(name):
    url, path, error = SECRET_FAULTS[name]
    with pytest.raises(error) as raised:
        await asked(url, path=path)
    assert SECRET not in "".join(traceback.format_exception(raised.value, chain=True)).replace(f'"{url}"', "")
    assert SECRET not in repr(raised.value)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
async def test_a_server_whose_certificate_nobody_signed_gets_nothing(tmp_path):
    request = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out it.pem -days 2 -subj /CN=localhost"
    await asyncio.to_thread(
        subprocess.run, ["openssl", *request.split()], cwd=tmp_path, check=True, capture_output=True
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "it.pem", tmp_path / "key.pem")
    heard = []
    server = await asyncio.start_server(lambda reader, _: heard.append(reader), "127.0.0.1", 0, ssl=context)
    with pytest.raises(NotSentError):
        await asked(f"https://localhost:{server.sockets[0].getsockname()[1]}")
    server.close()
    assert heard == [], "no connection was made"
