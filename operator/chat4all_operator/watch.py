"""kopf watches the namespace, in a thread and a loop of its own; whatever happens is told to the operator's.

Only event handlers are used: kopf stores no state, adds no finalizer and runs no timer then. It serves one namespace,
looks for no other operator (standalone), and watches no definitions (scanning is off). When it ends by a fault, as it
does where the definition is not served, it is begun again; the list of every 20 s does not depend on it.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import kopf
from kubernetes.aio.client import ApiClient

from chat4all.backoff import Backoff
from chat4all_operator.kinds import CONNECTOR, CREDENTIALS, DEPLOYMENT, JOB, SECRET, UID_LABEL, Kind
from chat4all_operator.metrics import Metrics

_logger = logging.getLogger(__name__)

_WATCHED: Final = (CONNECTOR, SECRET, DEPLOYMENT, JOB)
_SERVER_SECONDS: Final = 300  # after which a watch is opened anew; a connection that died unnoticed costs no more
_FIRST_RESTART_SECONDS: Final = 1.0
_MAX_RESTART_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 10.0


class _NoState(kopf.DiffBaseStorage):
    """kopf remembers nothing of an object. By itself it would read what it thinks it has remembered, for every event,
    and let go of the event where an annotation of its name is no JSON; and it would copy each object, to compare it."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        """Do nothing."""


OnEvent = Callable[[Kind, str, dict[str, Any]], None]  # a kind; ADDED, MODIFIED or DELETED; the object


class Watch:
    """`on_event` is called in the loop that `run` runs in."""

    def __init__(self, client: ApiClient, namespace: str, on_event: OnEvent, metrics: Metrics) -> None:
        self._client = client
        self._namespace = namespace
        self._on_event = on_event
        self._metrics = metrics
        self._told: deque[tuple[Kind, str, dict[str, Any]]] = deque()

    async def run(self) -> None:
        """Watch until cancelled."""
        backoff = Backoff(_FIRST_RESTART_SECONDS, _MAX_RESTART_SECONDS)
        loop = asyncio.get_running_loop()
        while True:
            stop, ended = threading.Event(), asyncio.Event()
            began = loop.time()
            thread = threading.Thread(target=self._watch, args=(loop, stop, ended), name="kopf", daemon=True)
            thread.start()
            try:
                await ended.wait()
            finally:
                stop.set()
                await asyncio.to_thread(thread.join, _STOP_SECONDS)
            if loop.time() - began > _MAX_RESTART_SECONDS:
                backoff.succeeded()
            self._metrics.watch_restarts.inc()
            await asyncio.sleep(backoff.failed())

    def _watch(self, loop: asyncio.AbstractEventLoop, stop: threading.Event, ended: asyncio.Event) -> None:
        try:
            asyncio.run(
                kopf.operator(
                    registry=self._handlers(loop),
                    settings=_settings(),
                    namespaces=[self._namespace],
                    standalone=True,
                    stop_flag=stop,
                )
            )
        except Exception:  # whatever it is, watching is begun again
            _logger.exception("Watching ended, and is begun again")
        finally:
            loop.call_soon_threadsafe(ended.set)

    def _handlers(self, loop: asyncio.AbstractEventLoop) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        for kind in _WATCHED:
            self._handle(registry, kind, loop)

        @kopf.on.login(registry=registry)
        def login(**_: Any) -> kopf.ConnectionInfo:
            return _connection(self._client)

        return registry

    def _handle(self, registry: kopf.OperatorRegistry, kind: Kind, loop: asyncio.AbstractEventLoop) -> None:
        group, _, version = kind.api.rpartition("/")

        @kopf.on.event(group, version, kind.plural, registry=registry, id=kind.plural)
        async def seen(event: Any, **_: Any) -> None:
            found = {**event["object"], "apiVersion": kind.api, "kind": kind.name}
            self._told.append((kind, str(event["type"] or "ADDED"), found))
            if len(self._told) == 1:  # else the other loop has been woken, and takes this one too
                loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        """Tell all that has happened. Every entry that is left at its end has a call of its own on its way."""
        while self._told:
            try:
                self._on_event(*self._told.popleft())
            except Exception:  # one event's fault must not keep the others
                _logger.exception("An event was not taken up; the next list has what it told")


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoState()
    settings.watching.server_timeout = _SERVER_SECONDS
    settings.watching.client_timeout = _SERVER_SECONDS + 10
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 15
    settings.networking.error_backoffs = (1, 2, 5)
    settings.queueing.error_delays = (1, 2, 5)
    settings.watching.chunk_size = 500
    settings.watching.field_selectors["", "v1", SECRET.plural] = f"type={CREDENTIALS}"
    for kind in (DEPLOYMENT, JOB):
        group, _, version = kind.api.rpartition("/")
        settings.watching.label_selectors[group, version, kind.plural] = UID_LABEL
    return settings


def _connection(client: ApiClient) -> kopf.ConnectionInfo:
    """Return what kopf connects with: the same server and identity as everything else of the operator."""
    made = client.configuration
    if made.refresh_api_key_hook is not None:
        made.refresh_api_key_hook(made)
    scheme, _, token = made.api_key.get("BearerToken", "").partition(" ")
    return kopf.ConnectionInfo(
        server=made.host,
        ca_path=made.ssl_ca_cert,
        insecure=not made.verify_ssl,
        scheme=scheme.capitalize() if token else None,
        token=token or None,
        certificate_path=made.cert_file,
        private_key_path=made.key_file,
    )
