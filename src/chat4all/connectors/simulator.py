"""A running simulator as a provider: its bot becomes a connector, its phone bruno the demo user of that name."""

import asyncio
import time
from typing import Any, Final, NamedTuple

import httpx

from chat4all.channels.kit.manifest import Manifest
from chat4all.channels.kit.resource import GROUP, ChannelConnector
from chat4all.connectors.files import Wanted
from chat4all.connectors.settings import ChannelsSettings
from chat4all.directory.channels import Link
from chat4all.model.errors import StartError
from chat4all.model.ids import new_id

BOT: Final = "support_bot"
PHONE: Final = "bruno"
NAME: Final = "simulator"

_PATIENCE: Final = 15.0  # seconds until it answers, at most
_AGAIN: Final = 0.1


class Met(NamedTuple):
    """The bot's token, and the number of the phone."""

    url: str
    token: str
    phone: int


async def meet(url: str) -> Met:
    """Make its bot and its phone where they are not there, and let the phone begin to talk with the bot.

    Raises StartError where nothing answers, or what answers is no simulator.
    """
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=url.rstrip("/"), timeout=5, trust_env=False) as client:
        while True:
            try:
                return await _meet(client, url)
            except httpx.TransportError as error:
                if time.monotonic() - began > _PATIENCE:
                    fault = f"No simulator answers at {url}: {error}. Start one: chat4all simulator"
                    raise StartError(fault) from error
                await asyncio.sleep(_AGAIN)
            except (httpx.HTTPStatusError, httpx.InvalidURL, ValueError, KeyError) as error:
                fault = f"What answers at {url} is no simulator: {error}. See CHAT4ALL_CHANNELS__SIMULATOR."
                raise StartError(fault) from error


def connector(met: Met, settings: ChannelsSettings, manifest: Manifest) -> Wanted:
    """The connector of its bot, as a file would ask for it."""
    resource = {
        "apiVersion": GROUP,
        "kind": "ChannelConnector",
        "metadata": {"name": NAME},
        "spec": {
            "channel": manifest.name,
            "credentialsSecretRef": {"name": NAME},
            "config": {"baseURL": met.url},
            "inbox": {"members": settings.inbox},
        },
    }
    checked = ChannelConnector.model_validate(resource)
    credentials = manifest.credentials.model_validate({"botToken": met.token})
    return Wanted(checked, manifest, credentials, manifest.config.model_validate(checked.spec.config))


def link(met: Met) -> Link:
    """Who is the phone."""
    who = str(met.phone)
    return Link(
        link_id=new_id(),
        username=PHONE,
        channel="telegram",
        connector=f"local.{NAME}",
        external_id=who,
        chat=who,
        created_at=time.time_ns() // 1_000_000,
    )


async def _meet(client: httpx.AsyncClient, url: str) -> Met:
    token = (await _control(client, "PUT", f"/bots/{BOT}", {}))["token"]
    phone = (await _control(client, "PUT", f"/phones/{PHONE}", {"first_name": PHONE.capitalize()}))["id"]
    chat = f"/phones/{PHONE}/chats/{BOT}"
    if not await _control(client, "GET", chat):
        await _control(client, "POST", f"{chat}/messages", {"text": "/start"})
    return Met(url.rstrip("/"), str(token), int(phone))


async def _control(client: httpx.AsyncClient, verb: str, path: str, body: object = None) -> Any:
    answer = await client.request(verb, f"/control/telegram{path}", json=body)
    answer.raise_for_status()
    return answer.json()
