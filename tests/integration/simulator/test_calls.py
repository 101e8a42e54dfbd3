"""What the Bot API answers to good and bad calls, and to bytes that are hardly calls."""

import json
import re
from typing import Any

import httpx
import pytest
from tests.integration.simulator.calls import CALLS, RAW, STRICT_CALLS, Call, Raw
from tests.integration.simulator.world import Bot, Simulator, simulating

PLACE = re.compile(r"<([a-z_]+)>")
DAYS = 3 * 86_400


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    with simulating(tmp_path_factory.mktemp("strict") / "data", "--strict") as running:
        yield running


def world(simulator: Simulator, used: set[str], ages: bool) -> tuple[Bot, dict[str, Any]]:
    """A bot with everything that a call speaks of, and their ids by placeholder."""
    bot = simulator.bot()
    bruno = simulator.phone("Bruno", last_name="", language_code="pt")
    bruno.write(bot, "/start")
    found: dict[str, Any] = {"chat": bruno.id, "username": bruno.name, "token": bot.token}
    found |= {"nobody": 4_000_000_000, "unknown": 999_999}
    if ages:
        found["old"] = bot.call("sendMessage", chat_id=bruno.id, text="of three days ago")["message_id"]
        ahead = simulator.client.get("/control").json()["ahead"]
        simulator.control("PUT", "/clock", {"ahead": ahead + DAYS})
    found["sent"] = bot.call("sendMessage", chat_id=bruno.id, text="hello")["message_id"]
    found["theirs"] = bruno.write(bot, "question?")["message_id"]
    if used & {"blocked", "deactivated"}:
        for name in ("blocked", "deactivated"):
            somebody = simulator.phone(name.capitalize())
            somebody.write(bot, "/start")
            found[name] = somebody.id
            if name == "blocked":
                somebody.block(bot)
            else:
                simulator.control("PUT", somebody.path, {"deactivated": True})
    if used & {"group", "kicked", "migrated", "supergroup", "stranger"}:
        for name in ("group", "kicked", "migrated"):
            found[name] = bruno.group(name.capitalize())
            simulator.control("POST", f"/telegram/groups/{found[name]}/members", {"user": bot.name, "by": bruno.name})
        stranger = simulator.phone("Stranger")
        simulator.control("POST", f"/telegram/groups/{found['group']}/members", {"user": stranger.name})
        found["stranger"] = stranger.id
        path = f"/telegram/groups/{found['kicked']}/members/{bot.name}"
        assert simulator.client.delete(f"/control{path}", params={"by": bruno.name}).status_code == 200
        by = {"by": bruno.name}
        found["supergroup"] = simulator.control("POST", f"/telegram/groups/{found['migrated']}/migrate", by)["id"]
    if "other_bot" in used:
        found["other_bot"] = simulator.bot().id
    return bot, found


def filled(value: Any, found: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {filled(key, found): filled(one, found) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, found) for one in value]
    if not isinstance(value, str):
        return value
    whole = PLACE.fullmatch(value)
    if whole and whole[1] in found:
        return found[whole[1]]
    return PLACE.sub(lambda one: str(found.get(one[1], one[0])), value)


def named(value: Any) -> set[str]:
    return set(PLACE.findall(json.dumps(value)))


def is_within(wanted: Any, found: Any) -> bool:
    """Whether all that is wanted is there: objects by their fields, lists whole."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(k in found and is_within(v, found[k]) for k, v in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(is_within(a, b) for a, b in zip(wanted, found, strict=True))
        )
    return type(wanted) is type(found) and wanted == found


def sent(simulator: Simulator, bot: Bot, call: Call, given: dict[str, Any]) -> httpx.Response:
    path = f"{bot.path}/{call.method}"
    if call.encoding == "json":
        return simulator.client.post(path, json=given)
    texts = {key: json.dumps(one) if isinstance(one, dict | list | bool) else str(one) for key, one in given.items()}
    match call.encoding:
        case "form":
            return simulator.client.post(path, data=texts)
        case "multipart":
            return simulator.client.post(path, files={key: (None, one) for key, one in texts.items()})
        case _:
            return simulator.client.get(path, params=texts)


def check(simulator: Simulator, call: Call) -> None:
    used = named([call.given, call.result, call.extra, call.description])
    bot, found = world(simulator, used, "old" in used)
    given = filled(call.given, found)
    answer = sent(simulator, bot, call, given)
    said = answer.json()
    assert (answer.status_code, said.get("description")) == (call.status, filled(call.description, found)), said
    assert answer.headers["Content-Type"] == "application/json"
    if call.status == 200:
        assert said["ok"] is True
        wanted = filled(call.result, found)
        assert call.result is None or is_within(wanted, said["result"]), said["result"]
    else:
        assert (said["ok"], said["error_code"]) == (False, call.status)
        assert said.get("parameters") == filled(call.extra, found)


@pytest.mark.parametrize("call", CALLS, ids=[call.name for call in CALLS])
def test_a_call_is_answered_as_telegram_answers_it(simulator, call):
    check(simulator, call)


@pytest.mark.parametrize("call", STRICT_CALLS, ids=[call.name for call in STRICT_CALLS])
def test_in_strict_mode_a_webhook_is_taken_as_the_cloud_takes_it(strict, call):
    check(strict, call)


@pytest.mark.parametrize("raw", RAW, ids=[raw.name for raw in RAW])
def test_a_request_that_is_hardly_one_is_answered_as_telegram_answers_it(simulator, raw: Raw):
    _, found = world(simulator, named([raw.path, raw.body.decode("latin-1")]), False)
    url = httpx.URL(simulator.url).copy_with(raw_path=filled(raw.path, found).encode())
    body = filled(raw.body.decode("latin-1"), found).encode("latin-1")
    answer = simulator.client.request(raw.verb, url, headers=raw.headers, content=body)
    assert answer.status_code == raw.status, answer.text
    if raw.description == "":
        assert answer.content == b""
    elif raw.status == 200:
        assert answer.json()["ok"] is True
    else:
        assert answer.json()["description"] == raw.description
