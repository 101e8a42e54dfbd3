"""What the paths of /control/telegram name, and how their answers are made."""

import re
from typing import Annotated, Any, Final

import msgspec
from fastapi import HTTPException, Path, Response
from pydantic import BaseModel, ConfigDict

from chat4all_simulator.telegram.objects import User
from chat4all_simulator.telegram.world import Bot, Group, Person, World

USERNAME_PATTERN: Final = r"^[A-Za-z0-9_]{3,32}$"
Name = Annotated[str, Path(pattern=USERNAME_PATTERN, description="A user name.")]
ChatName = Annotated[str, Path(max_length=32, description="A bot's user name, or a group's id.")]
GroupId = Annotated[int, Path(lt=0, description="A group's id.")]


class Body(BaseModel):
    """What is sent; what it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


def answer(value: Any) -> Response:
    """Return a value as JSON, as the Bot API would show it."""
    return Response(msgspec.json.encode(value), media_type="application/json")


def bot(world: World, name: str) -> Bot:
    """Return the bot of this user name. Raises HTTPException with 404."""
    user = world.user(name)
    if user is None or user.id not in world.bots:
        raise HTTPException(404, f"There is no bot {name}. PUT /control/telegram/bots/{name} makes it.")
    return world.bots[user.id]


def person(world: World, name: str) -> Person:
    """Return the person of this user name. Raises HTTPException with 404."""
    user = world.user(name)
    if user is None or user.id not in world.people:
        raise HTTPException(404, f"There is no phone of {name}. PUT /control/telegram/phones/{name} makes it.")
    return world.people[user.id]


def group(world: World, chat: int) -> Group:
    """Return the group of this id. Raises HTTPException with 404."""
    if chat not in world.groups:
        raise HTTPException(404, f"There is no group {chat}. POST /control/telegram/groups makes one.")
    return world.groups[chat]


def user(world: World, name: str) -> User:
    """Return the person or the bot of this user name. Raises HTTPException with 404."""
    found = world.user(name)
    if found is None:
        raise HTTPException(404, f"There is neither a phone nor a bot of {name}.")
    return found


def chat(world: World, name: str) -> int:
    """Return the id of a bot by its user name, or of a group by its id. Raises HTTPException with 404."""
    if re.fullmatch(r"-[0-9]{1,18}", name):
        return group(world, int(name)).chat.id
    return bot(world, name).user.id
