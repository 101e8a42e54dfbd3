"""Logs without secrets; metrics by name."""

import logging

import pytest

from chat4all.telemetry import logs
from chat4all.telemetry.metrics import Metrics

JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"

SECRETS = [
    f"GET /ws?token={JWT}&x=1",
    "GET /ws?token=opaque-one HTTP/1.1",
    f"Authorization: Bearer {JWT}",
    "authorization: bearer opaque-one",
    "hash $argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
    "username=ana&password=opaque-one",
    "POST https://api.telegram.org/bot123456789:opaque-one-AAHdqTcvCH1vGWJxfSeofSAs/getMe",
]


@pytest.mark.parametrize("line", SECRETS)
def test_no_secret_leaves_in_a_log_line(line):
    clean = logs.redacted(line)
    assert "[redacted]" in clean
    for secret in (JWT, "opaque-one", "aGFzaA"):
        assert secret not in clean


def test_ordinary_text_stays():
    line = "Routing waits: log is unavailable: disk I/O error"
    assert logs.redacted(line) == line


def test_a_secret_in_an_exception_is_redacted_too():
    error = ValueError(f"bad header: Bearer {JWT}")
    record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, (type(error), error, None))
    text = logs.RedactingFormatter("%(message)s").format(record)
    assert JWT not in text
    assert "[redacted]" in text


NAMES = (
    "accepted_total",
    "routed_total",
    "lag_records",
    "replays_total",
    "skipped_repeats_total",
    "dlq_total",
    "sessions",
    "pushes_total",
    "resumes_total",
    "accept_seconds",
    "route_seconds",
    "http_seconds",
    "stopped_partitions",
    "adapter_info",
)


def test_metrics_have_their_names():
    metrics = Metrics()
    metrics.lag.labels("0").set(0)
    metrics.accepted.labels("message").inc()
    metrics.adapter.labels("log", "embedded").set(1)
    text = metrics.exposition().decode()
    for name in NAMES:
        assert f"chat4all_{name}" in text
