"""A collector of traces, as Jaeger is one: takes OpenTelemetry's protocol over HTTP and keeps what it gets."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

DEADLINE = 120.0


class Span(NamedTuple):
    """What the tests look at of one. `trace`, `parent`: in hex."""

    service: str
    name: str
    trace: str
    parent: str
    attributes: dict[str, str]


class Collector:
    """`url`: where to send spans."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[Span] = []

    def of(self, trace: str, wanted: Iterable[tuple[str, str]]) -> list[Span]:
        """Wait until of this trace these have come: of which service, by which name."""
        deadline = time.monotonic() + DEADLINE
        while True:
            found = [span for span in self.spans if span.trace == trace]
            missing = Counter(wanted) - Counter((span.service, span.name) for span in found)
            if not missing:
                return found
            assert time.monotonic() < deadline, f"{missing} have not come, only {found}"
            time.sleep(0.05)

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {one.key: one.value.string_value for one in span.attributes}
                    ids = span.trace_id.hex(), span.parent_span_id.hex()
                    self.spans.append(Span(service, span.name, *ids, attributes))


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """One on any port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}/v1/traces")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
