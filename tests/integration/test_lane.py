"""POST /v1/messages has a lane of its own past the framework; a browser's, with an Origin, goes the framework's way.

Both have to answer the same.
"""

from typing import Any, Final

import httpx
import pytest
from tests.integration.people import System, expected

from chat4all.api import posting
from chat4all.model.errors import EngineUnavailableError

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORIGIN: Final = {"Origin": "http://localhost"}
WAYS: Final = {"the lane": {}, "the framework's way": ORIGIN}
BODIES: Final[dict[str, tuple[int, dict[str, Any]]]] = {
    "accepted": (202, {"json": {"chat_id": "<chat>", "content": "Olá"}}),
    "not a member": (404, {"json": {"chat_id": "nowhere", "content": "Olá"}}),
    "blank": (422, {"json": {"chat_id": "<chat>", "content": "  "}}),
    "no JSON": (400, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
    "too large": (413, {"content": b" " * (1 << 21), "headers": {"Content-Type": "application/json"}}),
    "another type": (415, {"content": b"x", "headers": {"Content-Type": "text/plain"}}),
}


def _told(answer: httpx.Response) -> tuple[int, object, set[str]]:
    body = answer.json()
    body.pop("message_id", None)
    return answer.status_code, body, set(answer.headers) - {"access-control-allow-origin", "vary"} - _CORS


_CORS: Final = {"access-control-expose-headers", "access-control-allow-credentials"}


@pytest.mark.parametrize("case", BODIES)
async def test_both_ways_answer_the_same(system: System, case: str) -> None:
    ana, _, chat = await system.pair()
    status, what = BODIES[case]
    if "json" in what:
        what = {**what, "json": {k: chat if v == "<chat>" else v for k, v in what["json"].items()}}
    told = []
    for more in WAYS.values():
        request = {**what, "headers": {**what.get("headers", {}), **more}}
        told.append(_told(expected(await ana.call("POST", posting.PATH, **request), status)))
    assert told[0] == told[1]


async def test_a_page_of_an_allowed_origin_may_read_the_answer(system: System) -> None:
    ana, _, chat = await system.pair()
    answer = await ana.call("POST", posting.PATH, json={"chat_id": chat, "content": "x"}, headers=ORIGIN)
    assert expected(answer, 202).headers["Access-Control-Allow-Origin"] == "http://localhost"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("error", "status"),
    [(EngineUnavailableError("log", "gone"), 503), (RuntimeError("a fault"), 500)],
    ids=["an engine is away", "a fault"],
)
async def test_what_goes_wrong_is_a_problem(
    system: System, monkeypatch: pytest.MonkeyPatch, way: str, error: Exception, status: int
) -> None:
    ana, _, chat = await system.pair()

    async def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(system.process.services.acceptance, "post", fails)
    answer = await ana.call("POST", posting.PATH, json={"chat_id": chat, "content": "x"}, headers=WAYS[way])
    assert expected(answer, status).headers["Content-Type"] == "application/problem+json"
    assert ("Retry-After" in answer.headers) is (status == 503)
    assert "a fault" not in answer.text


async def test_it_is_observed_by_its_route(system: System) -> None:
    ana, _, chat = await system.pair()

    def posts() -> float:
        return sum(
            sample.value
            for family in system.engines.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "chat4all_http_seconds_count" and sample.labels["route"] == posting.PATH
        )

    before = posts()
    for more in WAYS.values():
        body = {"chat_id": chat, "content": "x"}
        expected(await ana.call("POST", posting.PATH, json=body, headers=more), 202)
    assert posts() == before + 2
