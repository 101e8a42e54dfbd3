"""A message has one trace in all processes: W3C trace context (https://www.w3.org/TR/trace-context/) in the headers of
the log's records.

Off unless an endpoint is set. What a record carries is handed on in any case, so that a process that records nothing
breaks no trace.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pydantic
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracerProvider, SpanKind, TracerProvider

Headers = tuple[tuple[str, bytes], ...]
Attributes = Mapping[str, str | int | bool]

_TRACE_HEADERS: Final = ("traceparent", "tracestate")


class TracingSettings(pydantic.BaseModel):
    """Traces, by OpenTelemetry's protocol over HTTP."""

    endpoint: str = pydantic.Field(
        "",
        pattern="^(https?://.+)?$",
        description="Where spans go, as http://127.0.0.1:4318/v1/traces: Jaeger, or any collector. Empty: nowhere.",
    )
    ratio: float = pydantic.Field(
        1.0,
        ge=0,
        le=1,
        json_schema_extra={"unit": "of 1"},
        description="Of how many messages a trace is kept, where no client has decided that.",
    )


class Traces:
    """Records the spans of a process. `provider`: makes tracers; without it nothing is recorded. `close`: sends what is
    left."""

    def __init__(self, provider: TracerProvider | None = None, close: Callable[[], None] = lambda: None) -> None:
        self.provider = provider
        self.close = close
        self._tracer = (provider or NoOpTracerProvider()).get_tracer("chat4all")

    @contextlib.contextmanager
    def span(self, name: str, headers: Headers = (), **attributes: str | int | bool) -> Iterator[None]:
        """Record the body of the context as a span, in the trace that the headers carry or in one that begins here."""
        if self.provider is None and not headers:
            yield
            return
        kind = SpanKind.CONSUMER if headers else SpanKind.SERVER
        context = _context(headers) if headers else None
        with self._tracer.start_as_current_span(name, context, kind=kind, attributes=attributes):
            yield

    def note(self, name: str, headers: Headers, began: int, ended: int, attributes: Callable[[], Attributes]) -> None:
        """Record a span that is over, if the headers carry a trace. `began`, `ended`: ns since 1970."""
        if self.provider is None or not headers:
            return
        context = _context(headers)
        if trace.get_current_span(context).get_span_context().trace_flags.sampled:
            span = self._tracer.start_span(
                name, context, kind=SpanKind.CONSUMER, attributes=attributes(), start_time=began
            )
            span.end(ended)


def carried() -> Headers:
    """Return the trace that this task is a part of as headers of a record; no headers where it is in none."""
    if not trace.get_current_span().get_span_context().is_valid:
        return ()
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple((name, carrier[name].encode()) for name in _TRACE_HEADERS if name in carrier)


def carried_by(headers: Headers) -> Headers:
    """Return those of a record's headers that are its trace."""
    return tuple(one for one in headers if one[0] in _TRACE_HEADERS) if headers else ()


def _context(headers: Headers) -> Context:
    carrier: dict[str, Any] = {name: value.decode("ascii", "replace") for name, value in headers}
    return propagate.extract(carrier)
