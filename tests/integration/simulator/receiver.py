"""A receiver of webhooks, whose answers a test chooses."""

import http.server
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.integration.simulator.world import until

Answers = Callable[[dict[str, Any], int], int]  # of an update and how often it came: a status; 0 cuts the line


class Receiver:
    """Listens on a port of its own; `posts` holds what came, in order."""

    def __init__(self, answers: Answers = lambda _update, _times: 200, **headers: str) -> None:
        self.posts: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.secrets: list[str | None] = []
        self.headers: list[dict[str, str]] = []
        self.at: list[float] = []
        self.answers = answers
        self.most = 0  # requests at once
        self._now = 0
        self._lock = threading.Lock()
        received = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = received.take(body, dict(self.headers))
                if status == 0:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()
                received.leave()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """Keep what came; the answer."""
        update = json.loads(body)
        with self._lock:
            self.bodies.append(body)
            self._now += 1
            self.most = max(self.most, self._now)
            self.headers.append(headers)
            self.secrets.append(headers.get("X-Telegram-Bot-Api-Secret-Token"))
            self.at.append(time.monotonic())
            self.posts.append(update)  # last: whoever waits for it looks at the others then
            times = sum(one["update_id"] == update["update_id"] for one in self.posts)
        status = self.answers(update, times)
        if status == 0:
            self.leave()
        return status

    def leave(self) -> None:
        """One is answered."""
        with self._lock:
            self._now -= 1

    def wait(self, count: int) -> list[dict[str, Any]]:
        """Until so many came."""
        until(lambda: len(self.posts) >= count, f"{count} posts, there are {len(self.posts)}:")
        return self.posts

    def texts(self) -> list[str]:
        """Of the messages, in the order in which they came."""
        return [one["message"]["text"] for one in self.posts if "message" in one]

    def close(self) -> None:
        """No more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
