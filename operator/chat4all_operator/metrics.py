"""What the operator counts. /metrics of its port shows it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60)


class Metrics:
    """The operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconcile_seconds = Histogram(
            "chat4all_operator_reconcile_seconds",
            "Looks at a connector and what it took to act on it, by the reason of its condition Ready, or failed.",
            ["outcome"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.waiting = self._gauge("queue_objects", "Connectors that wait to be looked at.")
        self.api_calls = self._counter(
            "kubernetes_calls", "Calls on the Kubernetes API.", "verb", "resource", "outcome"
        )
        self.registry_calls = self._counter("internal_api_calls", "Calls on the internal API.", "verb", "outcome")
        self.registry_seconds = Histogram(
            "chat4all_operator_internal_api_seconds",
            "Changes of registrations by the internal API, each.",
            ["verb"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.objects = self._gauge("objects", "Connectors by their condition Ready and its reason.", "ready", "reason")
        self.not_ready_seconds = self._gauge(
            "longest_not_ready_seconds", "How long the longest of those that should run has not been ready."
        )
        self.finalizing_seconds = self._gauge(
            "longest_finalizing_seconds", "How long the longest deletion has waited for its finalizer."
        )
        self.seen_at = self._gauge("last_list_timestamp_seconds", "When a kind was last listed, whole.", "resource")
        self.list_failures = self._counter("list_failures", "Lists that failed.", "resource", "reason")
        self.refused_writes = self._counter("refused_writes", "Writes that the API server refused.", "resource")
        self.watch_restarts = self._counter("watch_restarts", "Times that watching was begun again after a fault.")
        self.orphans = self._gauge("orphans", "Registrations of this release that have no resource.")
        self.mass_orphaning = self._gauge(
            "mass_orphaning", "1 while more than half of the registrations, and more than one, have no resource."
        )
        self.leading = self._gauge("leading", "1 while this process is the one that acts.")

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"chat4all_operator_{name}", about, labels, registry=self.registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"chat4all_operator_{name}", about, labels, registry=self.registry)
