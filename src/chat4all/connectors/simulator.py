"""A running simulator as a provider: its bot becomes a connector, its phone bruno the demo user of that name."""

import asyncio
import time
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from chat4all.channels.kit.manifest import Manifest
from chat4all.channels.kit.resource import GROUP, ChannelConnector
from chat4all.connectors.files import DeclaredConnector
from chat4all.connectors.settings import ChannelsSettings
from chat4all.directory.channels import Link
from chat4all.drivers.http import BadAddressError, HttpPool, NoAnswerError, NotSentError
from chat4all.model.errors import StartError
from chat4all.model.ids import new_id

BOT: Final = "support_bot"
PHONE: Final = "bruno"
NAME: Final = "simulator"

_START_SECONDS: Final = 15.0  # until it answers, at most
_ANSWER_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.1


class SimulatorAccess(NamedTuple):
    """The bot's token, and the number of the phone."""

    url: str
    token: str
    phone: int


async def meet(url: str) -> SimulatorAccess:
    """Make its bot and its phone where they are not there, and let the phone begin to talk with the bot.

    Raises StartError where nothing answers, or what answers is no simulator.
    """
    async with HttpPool(url, answer_seconds=_ANSWER_SECONDS) as pool:
        try:
            async with asyncio.timeout(_START_SECONDS):
                return await _meet(pool, url)
        except (BadAddressError, LookupError, ValueError) as error:
            fault = f"What answers at {url} is no simulator: {error}. See CHAT4ALL_CHANNELS__SIMULATOR."
            raise StartError(fault) from error
        except TimeoutError as error:
            raise StartError(f"No simulator answers at {url}. Start one: chat4all simulator") from error


def connector(met: SimulatorAccess, settings: ChannelsSettings, manifest: Manifest) -> DeclaredConnector:
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
    return DeclaredConnector(checked, manifest, credentials, manifest.config.model_validate(checked.spec.config))


def link(met: SimulatorAccess) -> Link:
    """The link that says that the phone is the demo user of that name."""
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


async def _meet(pool: HttpPool, url: str) -> SimulatorAccess:
    token = (await _control(pool, "PUT", f"/bots/{BOT}", {}))["token"]
    phone = (await _control(pool, "PUT", f"/phones/{PHONE}", {"first_name": PHONE.capitalize()}))["id"]
    chat = f"/phones/{PHONE}/chats/{BOT}"
    if not await _control(pool, "GET", chat):
        await _control(pool, "POST", f"{chat}/messages", {"text": "/start"})
    return SimulatorAccess(url.rstrip("/"), str(token), int(phone))


async def _control(pool: HttpPool, method: str, path: str, body: object = None) -> Any:
    """The JSON that the control API answers; it is asked again while nothing answers. Raises LookupError for a refusal,
    ValueError for what is no JSON."""
    while True:
        try:
            answer = await pool.request(method, f"/control/telegram{path}", body)
        except (NotSentError, NoAnswerError):
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        if answer.status != HTTPStatus.OK:
            raise LookupError(f"it answered {answer.status} to {method} {path}")
        return msgspec.json.decode(answer.body)
