"""One trace of a message over all processes: from the client's request through the log to the provider and back."""

import asyncio
import contextlib
import secrets

import httpx
import pytest
from tests.collector import Collector

from chat4all.client import DEMO_PASSWORD, AnswerError, Client
from chat4all_devtools.stack.roles import Roles

pytestmark = pytest.mark.engine
DEADLINE = 120.0

WAY = [
    ("chat4all-api", "POST /v1/messages"),
    ("chat4all-connector", "send"),  # more than once, if it has to wait for its turn
    ("chat4all-router", "route"),  # the message
    ("chat4all-router", "route"),  # that it was sent
]


@pytest.mark.parametrize("sampled", ["00", "01"])
async def test_a_message_is_followed_from_its_request_to_its_receipt(
    roles: Roles, collector: Collector, sampled: str
) -> None:
    """Whether it is recorded the client decides here: the ratio of those without a client's decision is nought."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    async with Client(roles.url, "ana", DEMO_PASSWORD) as ana:
        chat = await ana.conversation_with("bruno")
        headers = {"Authorization": f"Bearer {await ana.token()}", "traceparent": f"00-{trace}-{span}-{sampled}"}
        body = {"chat_id": chat, "content": "Where are you?"}
        async with httpx.AsyncClient(base_url=roles.url, trust_env=False, timeout=DEADLINE) as http:
            answer = await http.post("/v1/messages", json=body, headers=headers)
        assert answer.status_code == 202
        await sent(ana, answer.json()["message_id"])
    if sampled == "00":
        assert not [one for one in collector.spans if one.trace == trace]
        return
    spans = await asyncio.to_thread(collector.of, trace, WAY)
    assert {(one.service, one.name) for one in spans} == set(WAY)
    by_name = {(one.service, one.name): one for one in spans}
    assert by_name[WAY[0]].parent == span
    assert by_name[WAY[1]].attributes["connector"] == "local.simulator"
    assert {one.trace for one in collector.spans} == {trace}


async def sent(client: Client, message: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            with contextlib.suppress(AnswerError):  # 404 until it is stored
                events = (await client.call("GET", f"/v1/messages/{message}/timeline")).json()
                if any(event["what"] == "sent" for event in events):
                    return
            await asyncio.sleep(0.05)
