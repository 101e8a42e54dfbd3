"""`chat4all unregister`: what it does on a directory and a provider, and what it says where it cannot."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.commands import chat4all, refusal, said
from tests.integration.simulator.world import Bot, Simulator

from chat4all.connectors.settings import ChannelsSettings
from chat4all.connectors.unregistering import unregister
from chat4all.directory.channels import ConnectorRow
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.engine import Sql
from chat4all.model.errors import StartError
from chat4all_devtools.ports import free_port

PUBLIC = "https://hub.example"
wait = asyncio.to_thread


@pytest_asyncio.fixture
async def channels(tmp_path: Path) -> AsyncIterator[SqlChannels]:
    sql = Sql.in_file(tmp_path / "directory.db")
    await sql.open()
    yield SqlChannels(sql)
    await sql.close()


def settings(tmp_path: Path, **more: Any) -> ChannelsSettings:
    given = {"uid": "u", "credentials_dir": tmp_path / "keys", "public_url": PUBLIC, "pod": "job"}
    return ChannelsSettings(**{**given, **more})


async def put(channels: SqlChannels, url: str, state: str = "Unregistering", **config: Any) -> None:
    spec = {
        "channel": "telegram",
        "credentialsSecretRef": {"name": "keys"},
        "inbox": {"members": ["ana"]},
        "config": {"baseURL": url, **config},
        "state": state,
    }
    await channels.put_connector(
        ConnectorRow(uid="u", name="team.support", channel="telegram", managed_by="operator", spec=spec)
    )


def keys(tmp_path: Path, **given: str) -> None:
    (tmp_path / "keys").mkdir()
    for name, value in given.items():
        (tmp_path / "keys" / name).write_text(value)


async def reported(channels: SqlChannels) -> tuple[str, bool]:
    ((report,),) = (await channels.reports(["u"], since=0)).values()
    assert report.pod == "job"
    return report.reason, report.unregistered


async def test_the_provider_forgets_it_and_that_is_reported(
    channels: SqlChannels, simulator: Simulator, bot: Bot, tmp_path: Path
) -> None:
    await wait(lambda: bot.call("setWebhook", url=f"http://127.0.0.1:{free_port()}/hooks/telegram/u"))
    await wait(lambda: bot.fails(on={"method": "deleteWebhook"}, do={"fault": "server_error"}, times=1))
    await put(channels, simulator.url)
    keys(tmp_path, botToken=bot.token)
    for _ in range(2):  # again, it changes nothing
        assert await unregister(channels, settings(tmp_path), seconds=60) == "team.support"
        assert await reported(channels) == ("Unregistered", True)
        assert (await wait(bot.call, "getWebhookInfo"))["url"] == ""


async def test_who_polls_needs_neither_keys_nor_the_provider(channels: SqlChannels, tmp_path: Path) -> None:
    await put(channels, f"http://127.0.0.1:{free_port()}", mode="Polling")
    assert await unregister(channels, settings(tmp_path), seconds=60) == "team.support"
    assert await reported(channels) == ("Unregistered", True)


# What is in the folder of keys, what the row says (None: there is none), and what is said and reported.
REFUSED: dict[str, tuple[dict[str, str], dict[str, Any] | None, str, str]] = {
    "there is no row": ({}, None, "There is no connector u", ""),
    "it is to run": ({}, {"state": "Running"}, "team.support is Running: register it with unregister", ""),
    "a key is missing": ({"webhookSecret": "x"}, {}, "has no key botToken", "SecretMissing"),
    "a key is wrong": ({"botToken": "wrong"}, {}, "are not valid: botToken", "SecretInvalid"),
    "a token of nobody": ({"botToken": "1:of-nobody"}, {}, "Unauthorized", "UnregisterFailed"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_does_not_pass_ends_it_at_once(
    channels: SqlChannels, simulator: Simulator, tmp_path: Path, case: str
) -> None:
    given, row, words, reason = REFUSED[case]
    keys(tmp_path, **given)
    if row is not None:
        await put(channels, simulator.url, **row)
    began = time.monotonic()
    with pytest.raises(StartError, match=words):
        await unregister(channels, settings(tmp_path), seconds=600)
    assert time.monotonic() - began < 60
    if reason:
        assert await reported(channels) == (reason, False)


async def test_a_provider_that_cannot_be_reached_is_waited_for_so_long(channels: SqlChannels, tmp_path: Path) -> None:
    keys(tmp_path, botToken="1:token")
    await put(channels, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(
        StartError, match=r"not unregistered within 2 s: team\.support could not be unregistered: The pro"
    ):
        await unregister(channels, settings(tmp_path), seconds=2)
    assert await reported(channels) == ("UnregisterFailed", False)


def test_the_command_says_what_it_lacks_and_how_it_is_called(tmp_path: Path) -> None:
    assert "Example: chat4all unregister --seconds 30" in said("unregister", "--help")
    place = {"CHAT4ALL_CHANNELS__UID": "u", "CHAT4ALL_CHANNELS__CREDENTIALS_DIR": str(tmp_path)}
    away = {"CHAT4ALL_DIRECTORY__DIALECT": "postgresql", "CHAT4ALL_DIRECTORY__PORT": str(free_port())}
    cases = {
        "set CHAT4ALL_CHANNELS__UID": away,
        "not unregistered within 1 s: directory is unavailable": {**place, **away},
    }
    for words, environment in cases.items():
        assert words in refusal(chat4all("unregister", "--seconds", "1", environment=environment))
    done = chat4all("unregister", "--seconds", "1", "--json", environment={**place, **away})
    assert "directory is unavailable" in json.loads(done.stderr)["error"]
