"""Defines every metric of the system; each process has a registry, which `/metrics` shows. A new one is a line here."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCY_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Holds the metrics of a process. Counters end in _total, times are in seconds. Labels are few and bounded: never a
    user, never an id."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"chat4all_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"chat4all_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(f"chat4all_{name}", text, labels, registry=self.registry, buckets=_LATENCY_BUCKETS_SECONDS)

        self.accepted = counter("accepted", "Records that requests and receipts put into the log", "kind")
        self.idempotent_replays = counter("idempotent_replays", "Keyed requests answered again without a new record")
        self.accept_seconds = histogram("accept_seconds", "From a post's arrival to its 202")

        self.routed = counter("routed", "Records sequenced and stored for the first time", "kind")
        self.replays = counter("replays", "Records that were routed again at their own position")
        self.skipped_repeats = counter("skipped_repeats", "Records skipped: their id stands at another position")
        self.dead_letters = counter("dlq", "Log entries that were no records, sent to chat4all.dlq")
        self.engine_retries = counter("engine_retries", "Rounds put off because an engine was unavailable", "engine")
        self.lost_assignments = counter("lost_assignments", "Commits refused because the partition had moved")
        self.moved = counter("moved_partitions", "Partitions that went to another router, or came back as new ones")
        self.stopped = gauge("stopped_partitions", "Partitions that stopped and wait for an operator")
        self.lag = gauge("lag_records", "Records in the log that are not routed yet", "partition")
        self.route_seconds = histogram("route_seconds", "From a record's append until the router is done with it")

        self.sessions = gauge("sessions", "WebSockets that are open")
        self.pushes = counter("pushes", "Frames handed to WebSockets")
        self.resumes = counter("resumes", "Conversations in resumes, by whether they were recovered", "recovered")
        self.refetches = counter("refetches", "Times that a session read what pushes had missed", "cause")
        self.cut_off = counter("cut_off_sessions", "Sessions closed because they read too slowly")

        self.attempts = counter("attempts", "Calls to providers that send or change something", "connector", "outcome")
        self.send_seconds = histogram("send_seconds", "From a record's append to its last part's result", "connector")
        self.waiting = gauge("outbound_waiting", "Records that a connector has and has not sent", "connector")
        self.assigned = gauge(
            "outbound_partitions", "Partitions of its topic that a connector's process has", "connector"
        )
        self.limited = gauge("outbound_limited", "Chats that stand still until the provider takes more", "connector")
        self.inbound = counter("inbound", "What providers told, by what it means", "connector", "kind")
        self.unsupported = counter("inbound_unsupported", "What was left alone of it, by its kind", "connector", "kind")
        self.refused_posts = counter("refused_posts", "Posts of providers that were not taken", "connector", "cause")

        self.http_seconds = histogram("http_seconds", "Requests by route", "method", "route", "status")
        self.adapter = gauge("adapter_info", "Which adapter stands behind each port", "port", "adapter")

    def exposition(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self.registry)
