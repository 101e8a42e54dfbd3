"""`chat4all channels`, `connectors`, `links` and `dlq`, on a server that has a connector to a simulator."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.commands import DEADLINE, chat4all, client, eventually, posted, refusal, said, serving
from tests.integration.simulator.world import Simulator

from chat4all_devtools.server import Server


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Server]:
    """A server whose bruno is on the simulator's Telegram."""
    folder = tmp_path_factory.mktemp("connected")
    given = {"CHAT4ALL_CHANNELS__SIMULATOR": simulator.url, "CHAT4ALL_CHANNELS__FOLDER": str(folder / "none")}
    with serving(folder, **given) as server:
        eventually(lambda: bool(listed(server, "connectors")[0]["registered"]), "the connector is registered")
        yield server


def listed(server: Server, *command: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said(*command, "--json", "--url", server.url))
    return found


def shown(server: Server, *command: str) -> str:
    return " ".join(said(*command, "--url", server.url).split())


def test_channels_says_what_each_can_do(connected: Server) -> None:
    assert "telegram Telegram 4096 UTF-16 units edit, delete, quote sent" in shown(connected, "channels")


def test_connectors_says_how_each_is(connected: Server) -> None:
    told = shown(connected, "connectors")
    assert "local.simulator telegram Running @support_bot Polling yes 0 0" in told
    assert "may not do this" in refusal(chat4all("connectors", "--as", "bruno", "--url", connected.url))


def test_links_are_listed_made_and_removed(connected: Server) -> None:
    (bruno,) = listed(connected, "links", "list", "--of", "bruno")
    assert (bruno["status"], bruno["connector"]) == ("linked", "local.simulator")
    assert f"telegram local.simulator {bruno['identifier']} linked" in shown(
        connected, "links", "list", "--of", "bruno"
    )
    claimed = shown(connected, "links", "add", "telegram", "--as", "ana")
    assert "ana on telegram, pending. Write /start " in claimed
    (claim,) = listed(connected, "links", "list", "--as", "ana")
    assert f"https://t.me/support_bot?start={claim['code']}" in claimed
    assert shown(connected, "links", "remove", claim["id"], "--as", "ana") == "Removed."
    assert listed(connected, "links", "list", "--as", "ana") == []
    linked = shown(connected, "links", "add", "telegram", "7", "--of", "ana")
    assert linked.endswith("ana on telegram, linked.")


def test_what_is_no_link_is_one_sentence(connected: Server) -> None:
    wrong = refusal(chat4all("links", "add", "telegram", "@ana", "--of", "ana", "--url", connected.url))
    assert "Telegram takes the number of the account" in wrong


def put_into_the_log(server: Server, data: Path, value: bytes) -> None:
    """Something that a program of somebody else's has written there."""
    server.stop()
    with sqlite3.connect(data / "log.db") as log:
        place = ("chat4all.conversations", 0)
        query = "UPDATE bounds SET next = next + 1 WHERE topic = ? AND partition = ? RETURNING next - 1"
        (offset,) = log.execute(query, place).fetchone()
        log.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, NULL)", (*place, offset, 1, b"key", value))
    log.close()
    server.start()


def test_dead_letters_are_listed_shown_and_put_back_once_they_can_be_read(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert "There are no dead letters." in chat4all("dlq", "list", "--url", server.url).stderr
        put_into_the_log(server, tmp_path / "data", b"what is this?")
        eventually(lambda: bool(listed(server, "dlq", "list")), "it is set aside")
        assert "chat4all.conversations/0:" in shown(server, "dlq", "list")
        told = shown(server, "dlq", "show", "0")
        assert "value: what is this?" in told
        assert "still cannot be read" in refusal(chat4all("dlq", "replay", "0", "--url", server.url))
        assert "no such dead letter" in refusal(chat4all("dlq", "show", "7", "--url", server.url))
        assert "may not do this" in refusal(chat4all("dlq", "list", "--as", "ana", "--url", server.url))


def test_what_bruno_is_written_is_on_his_phone(connected: Server, simulator: Simulator) -> None:
    with client(connected.url) as http:
        chat = str(http.post("/v1/conversations", json={"members": ["bruno"]}).json()["conversation_id"])
        posted(http, chat, "on your phone")

    def arrived() -> bool:
        on_phone = httpx.get(
            f"{simulator.url}/control/telegram/phones/bruno/chats/support_bot", trust_env=False, timeout=DEADLINE
        ).json()
        return [one["text"] for one in on_phone].count("on your phone") == 1

    eventually(arrived, "it is on the phone")
