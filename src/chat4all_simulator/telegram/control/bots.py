"""/control/telegram/bots and /control/telegram/limits: the bots, and how often they may send."""

import re
import secrets as chance
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException
from pydantic import Field

from chat4all_simulator.journal import Journal
from chat4all_simulator.telegram import events
from chat4all_simulator.telegram.control.lookup import Body, Name
from chat4all_simulator.telegram.control.lookup import bot as find_bot
from chat4all_simulator.telegram.limits import Limits, Rates
from chat4all_simulator.telegram.objects import User
from chat4all_simulator.telegram.secrets import Secret, Secrets
from chat4all_simulator.telegram.world import Bot, World

_TOKEN_PATTERN: Final = r"^[1-9]\d{0,15}:[A-Za-z0-9_-]{24,60}$"  # noqa: S105 - the form of one
_Rate = Annotated[int | None, Field(ge=1, description="Calls; null: as many as it likes.")]


class BotBody(Body):
    """A bot. Without a token it keeps the one it has, or gets a new one. `privacy`: see GET's."""

    first_name: Annotated[str, Field(max_length=64)] = ""
    token: Annotated[str, Field(pattern=_TOKEN_PATTERN)] | None = None
    privacy: bool = True


class RatesBody(Body):
    """How often a bot may send; what is left out is as documented by Telegram."""

    chat_second: _Rate = 1
    group_minute: _Rate = 20
    bot_second: _Rate = 30


def router(world: World, secrets: Secrets, limits: Limits, journal: Journal) -> APIRouter:
    """Return the routes of bots, and of how often they may send."""
    routes = APIRouter(tags=["telegram: bots"])

    @routes.get("/bots")
    async def bots() -> list[dict[str, Any]]:
        """Every bot: `id`, `username`, `first_name`, `token`, `privacy` (hears only what is for it in groups),
        `webhook` and how many updates are `pending`."""
        return [_to_json(one, secrets) for one in world.bots.values()]

    @routes.put("/bots/{name}")
    async def put(name: Name, body: BotBody) -> dict[str, Any]:
        """Make a bot, or change it. A token's first part is the bot's id."""
        old = world.user(name)
        if old is not None and old.id not in world.bots:
            raise HTTPException(409, f"{name} is a person's name.")
        token = body.token or (secrets.of(old.id).token if old else _new_token(world))
        bot_id = int(token.partition(":")[0])
        if (old is not None and old.id != bot_id) or (old is None and _is_taken(world, bot_id)):
            raise HTTPException(409, f"The id {bot_id} belongs to another, or {name} has another id.")
        secret, url = (secrets.of(bot_id).secret_token, secrets.of(bot_id).url) if old else ("", "")
        secrets.put(bot_id, Secret(token, secret, url))
        user = User(bot_id, True, body.first_name or name, username=name)
        world.change(events.BotMade(user, body.privacy))
        return _to_json(world.bots[bot_id], secrets)

    @routes.get("/bots/{name}")
    async def bot(name: Name) -> dict[str, Any]:
        """A bot."""
        return _to_json(find_bot(world, name), secrets)

    @routes.get("/limits")
    async def get_limits() -> RatesBody:
        """How often each bot may send to a chat, to a group and in all."""
        return RatesBody.model_validate(limits.rates, from_attributes=True)

    @routes.put("/limits")
    async def set_limits(body: RatesBody) -> RatesBody:
        """Set them; null lifts one."""
        journal.note("limits", provider="telegram", rates=body.model_dump())
        limits.set(Rates(**body.model_dump()))
        return body

    return routes


def _to_json(bot: Bot, secrets: Secrets) -> dict[str, Any]:
    user = bot.user
    fields = {"id": user.id, "username": user.username, "first_name": user.first_name}
    fields |= {"token": secrets.of(user.id).token, "privacy": bot.privacy}
    return fields | {"webhook": bot.webhook.url, "pending": len(bot.mailbox)}


def _new_token(world: World) -> str:
    return f"{world.free_id()}:{re.sub('[^A-Za-z0-9]', 'A', chance.token_urlsafe(26))}"


def _is_taken(world: World, user_id: int) -> bool:
    return user_id in world.bots or user_id in world.people
