"""/control/telegram/groups: who makes groups, and who is in them."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from chat4all_simulator.telegram.control import lookup
from chat4all_simulator.telegram.control.lookup import Body, GroupId, Name
from chat4all_simulator.telegram.phones import Phones
from chat4all_simulator.telegram.world import Group, World


class GroupBody(Body):
    """A group; `by`: the user name of who makes it and is its first member."""

    title: Annotated[str, Field(min_length=1, max_length=128)]
    by: str
    type: Annotated[str, Field(pattern="^(group|supergroup)$")] = "group"


class MemberBody(Body):
    """Who comes in, a person or a bot; `by`: who brings them, themselves if left out."""

    user: str
    by: str = ""


class By(Body):
    """The user name of who does it."""

    by: str


def router(world: World, phones: Phones) -> APIRouter:
    """Return the routes of groups and who is in them."""
    routes = APIRouter(tags=["telegram: groups"])

    @routes.get("/groups")
    async def groups() -> list[dict[str, Any]]:
        """Every group: `id`, `title`, `type`, `members` by user name, and `migrated_to`, 0 if it was not."""
        return [_to_json(world, one) for one in world.groups.values()]

    @routes.post("/groups")
    async def put(body: GroupBody) -> dict[str, Any]:
        """Make a group."""
        chat = _free_id(world, supergroup=body.type == "supergroup")
        phones.found_group(lookup.person(world, body.by), chat, body.title, body.type)
        return _to_json(world, world.groups[chat])

    @routes.post("/groups/{chat}/members")
    async def join(chat: GroupId, body: MemberBody) -> dict[str, Any]:
        """Bring somebody in."""
        group, user = lookup.group(world, chat), lookup.user(world, body.user)
        phones.join(chat, user, lookup.user(world, body.by) if body.by else user)
        return _to_json(world, group)

    @routes.delete("/groups/{chat}/members/{name}")
    async def leave(chat: GroupId, name: Name, by: str = "") -> dict[str, Any]:
        """Let somebody go, or with `by` another: remove them."""
        group, user = lookup.group(world, chat), lookup.user(world, name)
        phones.leave(chat, user, lookup.user(world, by) if by else user)
        return _to_json(world, group)

    @routes.post("/groups/{chat}/migrate")
    async def migrate(chat: GroupId, body: By) -> dict[str, Any]:
        """Make a supergroup of it, under a new id; the supergroup."""
        lookup.group(world, chat)
        to = _free_id(world, supergroup=True)
        phones.migrate(chat, to, lookup.user(world, body.by))
        return _to_json(world, world.groups[to])

    return routes


def _to_json(world: World, group: Group) -> dict[str, Any]:
    members = [world.by_id(one).username for one in sorted(group.members)]
    chat = group.chat
    return {"id": chat.id, "title": chat.title, "type": chat.type, "members": members, "migrated_to": group.migrated_to}


def _free_id(world: World, *, supergroup: bool) -> int:
    """Return a new id as Telegram forms it: a supergroup's begins with -100."""
    first = -1_001_000_000_001 if supergroup else -5_000_000_001
    return first - len(world.groups)
