"""Opening the traces of a process: where they go, and under which name."""

from typing import Final

from chat4all.model.errors import StartError
from chat4all.telemetry.traces import Traces, TracingSettings

_FLUSH_MS: Final = 3_000  # in which what was recorded may still be sent


def opened(settings: TracingSettings, role: str) -> Traces:
    """Traces by the name chat4all-ROLE. Raises StartError where what it takes is not installed."""
    if not settings.endpoint:
        return Traces()
    try:
        # Only where it is asked for: embedded mode does not come with it, and it takes its time.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415
    except ImportError as error:
        raise StartError(
            "CHAT4ALL_TRACING__ENDPOINT is set, and OpenTelemetry is not installed: "
            "pip install 'chat4all[distributed]'."
        ) from error
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(settings.ratio),
        resource=Resource.create({"service.name": f"chat4all-{role}"}),
        shutdown_on_exit=False,  # it is closed in its turn, and in time
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.endpoint)))

    def close() -> None:
        provider.force_flush(_FLUSH_MS)
        provider.shutdown()

    return Traces(provider, close)
