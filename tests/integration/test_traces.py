"""Traces of embedded mode: off unless an endpoint is set, and then one for each message, on its way out and in."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from tests.collector import Collector, collecting
from tests.integration.hooked import connectors
from tests.integration.people import DEADLINE, System
from tests.integration.simulator.world import Bot, Simulator

from chat4all.log.port import CONVERSATIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # of W3C's own example


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


async def posted(system: System, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=system.url, timeout=DEADLINE) as client:
        form = {"username": "ana", "password": "demo"}
        token = {"Authorization": f"Bearer {(await client.post('/token', data=form)).json()['access_token']}"}
        new = {"type": "group", "members": ["bruno"]}
        chat = (await client.post("/v1/conversations", json=new, headers=token)).json()["conversation_id"]
        body = {"chat_id": chat, "content": "hello"}
        return await client.post("/v1/messages", json=body, headers={**token, **headers})


async def headers_in_the_log(system: System) -> list[tuple[tuple[str, bytes], ...]]:
    log = system.engines.log
    async with asyncio.timeout(DEADLINE):
        while True:
            pages = [await log.read(CONVERSATIONS, partition, offset=0, limit=10) for partition in range(4)]
            if found := [record.headers for page in pages for record in page]:
                return found
            await asyncio.sleep(0.02)


async def routed(system: System) -> None:
    """Wait until a message has been, to the end of the router's round."""
    async with asyncio.timeout(DEADLINE):  # not asked for by HTTP, which would be a trace of its own
        while b'chat4all_routed_total{kind="message"}' not in system.engines.metrics.exposition():
            await asyncio.sleep(0.02)


async def test_off_unless_an_endpoint_is_set(start):
    system = await start()
    assert (await posted(system, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")).status_code == 202
    assert await headers_in_the_log(system) == [()]


async def test_a_request_begins_a_trace_or_goes_on_with_the_clients(start, collector):
    system = await start(tracing={"endpoint": collector.url})
    assert (await posted(system, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")).status_code == 202
    ((name, value),) = (await headers_in_the_log(system))[0]
    assert name == "traceparent"
    assert value.decode().startswith(f"00-{TRACE}-")
    await routed(system)
    await system.stop()
    spans = [span for span in collector.spans if span.trace == TRACE]
    assert sorted(span.name for span in spans) == ["POST /v1/messages", "route"]
    assert next(span for span in spans if span.name == "route").parent == value.decode().split("-")[2]
    others = {span.trace for span in collector.spans} - {TRACE}
    assert len(others) == 2  # the login's and the conversation's


async def test_no_trace_says_who_or_what(start, collector):
    system = await start(tracing={"endpoint": collector.url})
    await posted(system)
    await system.stop()
    said = " ".join(value for span in collector.spans for value in span.attributes.values())
    assert not [secret for secret in ("demo", "hello", "Bearer", "eyJ") if secret in said]


async def test_what_a_person_writes_is_one_trace_too(start, collector, simulator: Simulator, bot: Bot, tmp_path):
    system = await start(channels=connectors(tmp_path, bot), tracing={"endpoint": collector.url})
    clara = await asyncio.to_thread(simulator.phone, "Clara")
    await asyncio.to_thread(clara.write, bot, "/start")
    await asyncio.to_thread(clara.write, bot, "Anybody there?")
    await routed(system)
    await system.stop()
    routes = [span for span in collector.spans if span.name == "route"]
    assert len(routes) == 1
    assert sorted(span.name for span in collector.spans if span.trace == routes[0].trace) == ["receive", "route"]


async def test_a_collector_that_is_away_holds_nothing_up(start):
    system = await start(tracing={"endpoint": "http://127.0.0.1:9/v1/traces"})
    assert (await posted(system)).status_code == 202
    await asyncio.wait_for(system.stop(), DEADLINE)
