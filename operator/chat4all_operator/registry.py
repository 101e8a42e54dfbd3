"""The internal API, as the operator calls it: which connectors are registered, and how their pods are."""

import datetime as dt
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from chat4all_operator.conditions import parsed
from chat4all_operator.metrics import Metrics
from chat4all_operator.observed import Refused, Row

_CALL_SECONDS: Final = 10.0
_FORGET_SECONDS: Final = 60.0  # what has not been sent is marked as failed meanwhile
_CONNECT_SECONDS: Final = 3.0
_MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024


class RegistryError(Exception):
    """The internal API cannot say or do it now. `reason`: APIUnreachable, APIRefuses or EnginesUnavailable."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RefusedError(Exception):
    """The internal API refuses what it was asked, and will again."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.detail)
        self.refused = refused


class Registry:
    """Calls on /internal/v1/connectors. `managed_by`: who asks; `token_file`: read before each call."""

    def __init__(self, url: str, token_file: Path, managed_by: str, metrics: Metrics) -> None:
        self._url = f"{url.rstrip('/')}/internal/v1/connectors"
        self._token_file = token_file
        self._managed_by = managed_by
        self._metrics = metrics
        self._session: aiohttp.ClientSession | None = None
        self._known: tuple[str, tuple[Row, ...]] = ("", ())  # the list's version, and what was in it

    async def rows(self) -> Sequence[Row]:
        """Return every row that this operator manages, whole. Raises RegistryError, RefusedError."""
        version, rows = self._known
        headers = {"If-None-Match": version} if version else {}
        status, answered, etag = await self._call(
            "GET", "", params={"managedBy": self._managed_by}, headers=headers, seconds=_CALL_SECONDS
        )
        if status == 304:
            return rows
        if not isinstance(answered, Mapping) or not isinstance(answered.get("connectors"), list):
            raise RegistryError("APIRefuses", f"{self._url} answered no list of connectors.")
        found = tuple(_row(one) for one in answered["connectors"])
        self._known = (etag, found)
        return found

    async def put(self, uid: str, resource: Mapping[str, Any], *, unregister: bool = False) -> Row:
        """Register a connector, or what has changed of it. Raises RegistryError, RefusedError."""
        body = {"managedBy": self._managed_by, "resource": resource, "unregister": unregister}
        _, answered, _ = await self._call("PUT", f"/{uid}", json=body, seconds=_CALL_SECONDS)
        return _row(answered)

    async def disable(self, uid: str) -> None:
        """Have a connector neither send nor receive; what comes for it waits. Raises RegistryError, RefusedError."""
        body = {"managedBy": self._managed_by}
        await self._call("POST", f"/{uid}/disable", json=body, seconds=_CALL_SECONDS)

    async def forget(self, uid: str) -> None:
        """Delete a registration; it may be gone. Raises RegistryError, RefusedError."""
        await self._call("DELETE", f"/{uid}", params={"managedBy": self._managed_by}, seconds=_FORGET_SECONDS)

    async def close(self) -> None:
        """Close the connections to the internal API that are still open."""
        if self._session is not None:
            await self._session.close()

    async def _call(self, verb: str, path: str, *, seconds: float, **given: Any) -> tuple[int, Any, str]:
        outcome, began = "error", time.monotonic()
        try:
            status, answer, etag = await self._exchange(verb, path, seconds, given)
            outcome = str(status)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            said = str(error) or "no answer in time"
            raise RegistryError("APIUnreachable", f"The internal API, {self._url}, does not answer: {said}.") from error
        finally:
            self._metrics.registry_calls.labels(verb, outcome).inc()
            if verb != "GET":
                self._metrics.registry_seconds.labels(verb).observe(time.monotonic() - began)
        if status < 400:
            return status, answer, etag
        detail = str(answer.get("detail", "")) if isinstance(answer, Mapping) else ""
        if status in {404, 409, 422}:
            raise RefusedError(_refused(answer, detail))
        if status == 401:
            raise RegistryError("APIRefuses", f"The internal API does not take the token in {self._token_file}.")
        reason = "EnginesUnavailable" if status == 503 else "APIRefuses"
        raise RegistryError(reason, f"The internal API answered {status}: {detail or 'no reason'}")

    async def _exchange(self, verb: str, path: str, seconds: float, given: Mapping[str, Any]) -> tuple[int, Any, str]:
        if self._session is None:
            limits = aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=limits)
        token = self._token_file.read_text(encoding="utf-8").split("\n", 1)[0].strip()
        headers = {"Authorization": f"Bearer {token}", **given.get("headers", {})}
        limits = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
        options = {**given, "headers": headers, "timeout": limits, "allow_redirects": False}
        async with self._session.request(verb, f"{self._url}{path}", **options) as answer:
            body = b"" if answer.status == 304 else await answer.content.read(_MAX_ANSWER_BYTES)
            while body and not answer.content.at_eof() and len(body) < _MAX_ANSWER_BYTES:
                body += await answer.content.read(_MAX_ANSWER_BYTES - len(body))
            return answer.status, _parsed(body, answer.status), answer.headers.get("ETag", "")


def _parsed(body: bytes, status: int) -> Any:
    try:
        return json.loads(body) if body else {}
    except ValueError:
        if status < 400:
            raise
        return {}


def _row(answered: Any) -> Row:
    try:
        return Row(
            uid=str(answered["uid"]),
            id=str(answered["id"]),
            channel=str(answered["channel"]),
            managed_by=str(answered["managedBy"]),
            spec=dict(answered["spec"]),
            state=str(answered["state"]),
            disabled_at=_time(answered.get("disabledAt")),
            account=answered.get("account"),
            reports=tuple(dict(one) for one in answered.get("reports", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RegistryError("APIRefuses", f"The internal API answered no connector: {error!r}.") from error


def _time(text: object) -> dt.datetime | None:
    return parsed(text) if text else None


def _refused(answer: Any, detail: str) -> Refused:
    errors = answer.get("errors") if isinstance(answer, Mapping) else None
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], Mapping) else {}
    kind = str(answer.get("type", "")) if isinstance(answer, Mapping) else ""
    return Refused(kind.rpartition(":")[2], str(first.get("field", "")), str(first.get("detail") or detail))
