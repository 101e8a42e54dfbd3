"""For whoever runs it or writes a client: health, metrics, the documentation, pages of other origins (issue 9, 10)."""

import asyncio
import time
from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.conftest import Start
from tests.integration.people import DEADLINE, System, expected, refused
from websockets.asyncio.client import connect

from chat4all.log.port import CONVERSATIONS, Entry

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What issue 9 names: accepted, routed, lag, replays, skipped repeats, dlq, sessions, pushes, resumes; latencies.
METRICS = {
    "chat4all_accepted": "counter",
    "chat4all_routed": "counter",
    "chat4all_lag_records": "gauge",
    "chat4all_replays": "counter",
    "chat4all_idempotent_replays": "counter",
    "chat4all_skipped_repeats": "counter",
    "chat4all_dlq": "counter",
    "chat4all_sessions": "gauge",
    "chat4all_pushes": "counter",
    "chat4all_resumes": "counter",
    "chat4all_accept_seconds": "histogram",
    "chat4all_route_seconds": "histogram",
    "chat4all_http_seconds": "histogram",
    "chat4all_attempts": "counter",
    "chat4all_send_seconds": "histogram",
    "chat4all_outbound_waiting": "gauge",
    "chat4all_outbound_limited": "gauge",
    "chat4all_inbound": "counter",
    "chat4all_inbound_unsupported": "counter",
    "chat4all_refused_posts": "counter",
}


async def exposed(system: System) -> str:
    """The text of /metrics."""
    return expected(await system.stranger().call("GET", "/metrics"), 200).text


async def sums(system: System) -> Mapping[str, float]:
    """Every sample of /metrics, summed over its labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(await exposed(system)):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


async def rises(system: System, before: Mapping[str, float], name: str, by: float) -> None:
    """Wait until a metric has risen by this much. Fails after the deadline, or if it rose by more."""
    end = time.monotonic() + DEADLINE
    while (risen := (await sums(system)).get(name, 0.0) - before.get(name, 0.0)) < by:
        assert time.monotonic() < end, f"{name} rose by {risen}, not by {by}"
        await asyncio.sleep(0.01)
    assert risen == by, name


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_it_is_live_and_ready_for_anyone_who_asks(system: System, path: str) -> None:
    answer = expected(await system.stranger().call("GET", path), 200)
    assert set(answer.json().values()) == {"ok"}
    assert answer.json().keys() >= {"router", "gateway", "outbox"}


async def test_it_is_not_ready_while_a_partition_waits_for_an_operator(start: Start) -> None:
    """A record of a later release: whoever runs this has to be told, and restarting it would not help."""
    system = await start()
    record = b'{"v":99,"kind":"message","id":"x","conversation_id":"c","sender_id":"ana","content":"?"}'
    await system.engines.log.append([Entry(CONVERSATIONS, b"c", record)])
    end = time.monotonic() + DEADLINE
    while (answer := await system.stranger().call("GET", "/readyz")).is_success:
        assert time.monotonic() < end, "it is ready"
        await asyncio.sleep(0.01)
    assert "upgrade this process" in expected(answer, 503).json()["partitions"]
    assert (await sums(system))["chat4all_stopped_partitions"] == 1
    expected(await system.stranger().call("GET", "/livez"), 200)


@pytest.mark.parametrize(("name", "kind"), METRICS.items(), ids=METRICS.keys())
async def test_metrics_have_what_the_issue_names(system: System, name: str, kind: str) -> None:
    answer = expected(await system.stranger().call("GET", "/metrics"), 200)
    assert answer.headers["Content-Type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families[name].type == kind
    assert families[name].documentation


async def test_metrics_move_with_what_is_done(system: System) -> None:
    ana, _, chat = await system.pair()
    before = await sums(system)
    message = await ana.said(chat, "one")
    for _ in range(2):
        await ana.post(chat, "two", key=f"m-{chat}")
    await ana.edit(message["message_id"], "one!")
    await rises(system, before, "chat4all_accepted_total", 3)
    await rises(system, before, "chat4all_routed_total", 3)
    await rises(system, before, "chat4all_idempotent_replays_total", 1)
    await rises(system, before, "chat4all_accept_seconds_count", 3)
    assert (await sums(system))["chat4all_route_seconds_count"] > before["chat4all_route_seconds_count"]
    assert (await sums(system))["chat4all_replays_total"] == before["chat4all_replays_total"]


async def test_lag_falls_back_to_nothing(system: System) -> None:
    ana, _, chat = await system.pair()
    await asyncio.gather(*(ana.post(chat, str(number)) for number in range(50)))
    await ana.heard(chat, 50)
    end = time.monotonic() + DEADLINE
    while (lag := (await sums(system))["chat4all_lag_records"]) != 0:
        assert time.monotonic() < end, f"{lag} records still lag"
        await asyncio.sleep(0.01)


async def test_metrics_of_sockets_move_with_them(system: System) -> None:
    ana, _, chat = await system.pair()
    before = await sums(system)
    async with connect(
        f"{system.ws_url}?token={ana.token}", proxy=None, open_timeout=DEADLINE, max_queue=None
    ) as socket:
        await socket.send(f'{{"type": "resume", "cursors": {{"{chat}": 0}}}}')
        await rises(system, before, "chat4all_sessions", 1)
        await ana.said(chat, "pushed")
        end = time.monotonic() + DEADLINE
        while (await sums(system))["chat4all_pushes_total"] == before["chat4all_pushes_total"]:
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        assert (await sums(system))["chat4all_resumes_total"] > before.get("chat4all_resumes_total", 0)
    while (await sums(system))["chat4all_sessions"] != before["chat4all_sessions"]:
        assert time.monotonic() < end + DEADLINE
        await asyncio.sleep(0.01)


async def test_metrics_and_health_name_no_user_no_conversation_and_no_token(system: System) -> None:
    person = await system.register("very-private-person")
    chat = await person.conversation("bruno")
    message = await person.said(chat, "secret words")
    await person.call("GET", "/v1/presence/very-private-person")
    await person.call("GET", f"/no/such/path/{chat}")
    text = await exposed(system)
    for private in ("very-private-person", chat, message["message_id"], "secret words", person.token or "?"):
        assert private not in text, "something private is in /metrics"


async def test_the_document_shows_how_to_post_a_message(system: System) -> None:
    document = await system.stranger().get("/openapi.json")
    assert document["openapi"].startswith("3.")
    operation = document["paths"]["/v1/messages"]["post"]
    (key,) = operation["parameters"]
    assert (key["name"], key["in"]) == ("Idempotency-Key", "header")
    assert operation["security"]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    assert schema["required"] == ["chat_id", "content"]
    assert schema["properties"].keys() == {"chat_id", "content", "file_id", "channels", "reply_to"}
    assert schema["properties"]["content"]["maxLength"] == 10_000
    assert {"202", "400", "401", "404", "413", "422", "429", "503"} <= operation["responses"].keys()
    answer = operation["responses"]["202"]["content"]["application/json"]["schema"]["$ref"]
    assert document["components"]["schemas"][answer.rpartition("/")[2]]["required"] == ["message_id"]


async def test_every_path_of_the_issue_is_in_the_document(system: System) -> None:
    document = await system.stranger().get("/openapi.json")
    operations = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert operations >= {
        "POST /token",
        "POST /v1/users",
        "GET /v1/users",
        "POST /v1/conversations",
        "GET /v1/conversations",
        "GET /v1/conversations/{conversation_id}",
        "POST /v1/conversations/{conversation_id}/members",
        "GET /v1/conversations/{conversation_id}/messages",
        "POST /v1/messages",
        "GET /v1/messages/{message_id}",
        "PATCH /v1/messages/{message_id}",
        "DELETE /v1/messages/{message_id}",
        "GET /v1/messages/{message_id}/timeline",
        "PATCH /v1/messages/{message_id}/status",
        "POST /v1/presence/heartbeat",
        "GET /v1/presence/{username}",
    }
    assert any(path.startswith("DELETE /v1/conversations/{conversation_id}/members") for path in operations)


async def test_there_is_a_page_to_read_the_document(system: System) -> None:
    answer = expected(await system.stranger().call("GET", "/docs"), 200)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "/openapi.json" in answer.text


@pytest.mark.parametrize("origin", ["null", "http://localhost", "http://127.0.0.1"])
async def test_pages_of_allowed_origins_may_call_it(system: System, origin: str) -> None:
    ana, _, _ = await system.pair()
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
    }
    preflight = expected(await system.stranger().call("OPTIONS", "/v1/messages", headers=asked), 200)
    assert preflight.headers["Access-Control-Allow-Origin"] == origin
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "idempotency-key"))
    methods = preflight.headers["Access-Control-Allow-Methods"]
    assert all(method in methods for method in ("GET", "POST", "PATCH", "DELETE"))
    answer = expected(await ana.call("GET", "/v1/conversations", headers={"Origin": origin}), 200)
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    exposed_names = answer.headers["Access-Control-Expose-Headers"].lower()
    assert all(name in exposed_names for name in ("link", "retry-after", "idempotent-replay"))


async def test_pages_of_other_origins_may_not(system: System) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await system.stranger().call("OPTIONS", "/v1/messages", headers=asked)
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_refusal_can_be_read_by_a_page_too(system: System) -> None:
    answer = await system.stranger().call("GET", "/v1/conversations", headers={"Origin": "null"})
    refused(answer, 401, "unauthenticated")
    assert answer.headers["Access-Control-Allow-Origin"] == "null"
