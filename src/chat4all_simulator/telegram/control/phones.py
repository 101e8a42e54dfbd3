"""/control/telegram/phones: what people see and do on their phones."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import Field
from starlette.responses import StreamingResponse

from chat4all_simulator.control import streams
from chat4all_simulator.telegram import events
from chat4all_simulator.telegram.control import lookup
from chat4all_simulator.telegram.control.lookup import Body, ChatName, Name, answer
from chat4all_simulator.telegram.objects import Chat, Message, User
from chat4all_simulator.telegram.phones import Phones
from chat4all_simulator.telegram.world import Person, World

Text = Annotated[str, Field(min_length=1, max_length=4096)]


class PhoneBody(Body):
    """A person. Without an id they keep the one they have, or get a new one; what is left out of the rest is empty."""

    first_name: Annotated[str, Field(max_length=64)] = ""
    last_name: Annotated[str, Field(max_length=64)] = ""
    language_code: Annotated[str, Field(max_length=8)] = ""
    id: Annotated[int, Field(gt=0, lt=1 << 52)] | None = None
    deactivated: bool = False


class Written(Body):
    """What is written; `quote`: the part of the message `reply_to` that is quoted."""

    text: Text
    reply_to: Annotated[int, Field(ge=0)] = 0
    quote: Annotated[str, Field(max_length=1024)] = ""


class Rewritten(Body):
    """What it says now."""

    text: Text


class Blocking(Body):
    """Whether the bot is blocked."""

    blocked: bool


def router(world: World, phones: Phones) -> APIRouter:
    """Return the routes of phones, their chats and what happens in them."""
    routes = APIRouter(tags=["telegram: phones"])

    @routes.get("/phones")
    async def people() -> list[dict[str, Any]]:
        """Every person: `id`, `username`, names, `deactivated`."""
        return [_to_json(one) for one in world.people.values()]

    @routes.put("/phones/{name}")
    async def put(name: Name, body: PhoneBody) -> dict[str, Any]:
        """Give somebody a phone, or change their names."""
        old = world.user(name)
        if old is not None and old.id not in world.people:
            raise HTTPException(409, f"{name} is a bot's name.")
        user_id = body.id or (old.id if old else world.free_id())
        if (old is not None and old.id != user_id) or (
            old is None and user_id in world.people.keys() | world.bots.keys()
        ):
            raise HTTPException(409, f"The id {user_id} belongs to another, or {name} has another id.")
        first = body.first_name or name.capitalize()
        user = User(user_id, False, first, body.last_name, name, body.language_code)
        if old != user:
            world.change(events.PersonMade(user))
        if world.people[user_id].gone != body.deactivated:
            world.change(events.Deactivated(user_id, body.deactivated))
        return _to_json(world.people[user_id])

    @routes.get("/phones/{name}/chats")
    async def chats(name: Name) -> Response:
        """The chats on their phone: `chat`, `blocked`, and the `last` message if there is one."""
        person = lookup.person(world, name)
        return answer([_chat(phones, person, one) for one in phones.chats(person)])

    @routes.get("/phones/{name}/chats/{chat}")
    async def messages(name: Name, chat: ChatName) -> Response:
        """What their phone shows of a chat, oldest first, as Message objects of the Bot API."""
        return answer(phones.messages(lookup.person(world, name), lookup.chat(world, chat)))

    @routes.post("/phones/{name}/chats/{chat}/messages")
    async def write(name: Name, chat: ChatName, body: Written) -> Response:
        """Write to a bot or in a group; the Message."""
        person, chat_id = lookup.person(world, name), lookup.chat(world, chat)
        return answer(phones.write(person, chat_id, body.text, body.reply_to, body.quote))

    @routes.patch("/phones/{name}/chats/{chat}/messages/{message_id}")
    async def edit(name: Name, chat: ChatName, message_id: int, body: Rewritten) -> Response:
        """Edit one's own message; the Message."""
        person, chat_id = lookup.person(world, name), lookup.chat(world, chat)
        return answer(phones.edit(person, chat_id, message_id, body.text))

    @routes.delete("/phones/{name}/chats/{chat}/messages/{message_id}")
    async def delete(name: Name, chat: ChatName, message_id: int) -> dict[str, str]:
        """Delete a message for everyone. Bots are not told."""
        phones.delete(lookup.person(world, name), lookup.chat(world, chat), message_id)
        return {"status": "deleted"}

    @routes.put("/phones/{name}/chats/{chat}/blocked")
    async def block(name: Name, chat: Name, body: Blocking) -> Blocking:
        """Block a bot, or unblock it."""
        phones.block(lookup.person(world, name), lookup.bot(world, chat), blocked=body.blocked)
        return body

    @routes.get("/phones/{name}/stream")
    async def stream(request: Request, name: Name) -> StreamingResponse:
        """What happens on their phone, as server-sent events: `what` is message, edited, deleted, blocked, typing,
        chats; `chat`: the bot's or the group's id; `message`, `message_ids`, `blocked` or `action`."""
        return streams.response(request, _events(world, lookup.person(world, name)))

    return routes


def _to_json(person: Person) -> dict[str, Any]:
    user = person.user
    names = {"first_name": user.first_name, "last_name": user.last_name, "language_code": user.language_code}
    return {"id": user.id, "username": user.username, **names, "deactivated": person.gone}


def _chat(phones: Phones, person: Person, chat: Chat) -> dict[str, Any]:
    last: list[Message] = phones.messages(person, chat.id)[-1:]
    return {"chat": chat, "blocked": chat.id in person.blocks, "last": last[0] if last else None}


async def _events(world: World, person: Person) -> AsyncIterator[bytes]:
    feed = streams.Feed()

    def on_change(change: events.Change) -> None:
        event = _event(world, person, change)
        if event is not None:
            feed.put(event)

    world.watchers.append(on_change)
    try:
        async for line in feed.lines():
            yield line
    finally:
        world.watchers.remove(on_change)


def _event(world: World, person: Person, change: events.Change) -> dict[str, Any] | None:
    """Return what a phone's stream tells of a change; None: nothing."""
    match change:
        case events.Said() | events.Edited():
            chat = _shown(world, person, change.bot, change.message.chat.id)
            return (
                None
                if chat is None
                else {"what": change.__struct_config__.tag, "chat": chat, "message": change.message}
            )
        case events.Deleted():
            chat = _shown(world, person, change.bot, change.chat)
            return None if chat is None else {"what": "deleted", "chat": chat, "message_ids": change.message_ids}
        case events.Acted():
            chat = _shown(world, person, change.bot, change.chat)
            return None if chat is None else {"what": "typing", "chat": chat, "action": change.action}
        case events.Blocked(person=who) if who == person.user.id:
            return {"what": "blocked", "chat": change.bot, "blocked": change.blocked}
        case events.BotMade() | events.Joined() | events.Left() | events.Migrated():
            return {"what": "chats"}
    return None


def _shown(world: World, person: Person, bot: int, chat: int) -> int | None:
    """Return the id that a chat has on this phone; None if it is not there."""
    if chat in world.groups:
        return chat if person.user.id in world.groups[chat].members else None
    return bot if chat == person.user.id else None
