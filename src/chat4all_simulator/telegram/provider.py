"""Answers calls of the Bot API, spoils them where a rule says so, and has each call and its answer in the log."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import msgspec

from chat4all_simulator.clock import Clock
from chat4all_simulator.faults import answers
from chat4all_simulator.faults.rules import CallFault, Slow, TooManyRequests
from chat4all_simulator.faults.script import Script
from chat4all_simulator.http import fields
from chat4all_simulator.http.exchange import Answer, Request
from chat4all_simulator.journal import Entry, Journal
from chat4all_simulator.settings import SimulatorSettings
from chat4all_simulator.telegram.control import routes
from chat4all_simulator.telegram.limits import Limits
from chat4all_simulator.telegram.methods import chats
from chat4all_simulator.telegram.methods.call import Call, Described
from chat4all_simulator.telegram.methods.table import METHODS
from chat4all_simulator.telegram.parameters import Parameters
from chat4all_simulator.telegram.paths import Paths
from chat4all_simulator.telegram.phones import Phones
from chat4all_simulator.telegram.polling import Polling
from chat4all_simulator.telegram.refusals import RefusedError, bad, too_many
from chat4all_simulator.telegram.secrets import Secrets
from chat4all_simulator.telegram.setting import Setting
from chat4all_simulator.telegram.updates import Updates
from chat4all_simulator.telegram.webhooks import Webhooks
from chat4all_simulator.telegram.witness import PROVIDER_NAME, Seen, Witness
from chat4all_simulator.telegram.world import World

_encode = msgspec.json.Encoder().encode


class Telegram:
    """Implements `chat4all_simulator.provider.Provider`. Raises JournalError where its files are damaged."""

    name = PROVIDER_NAME

    def __init__(self, settings: SimulatorSettings, journal: Journal, script: Script, clock: Clock) -> None:
        secrets = Secrets(settings.data / "telegram.json")
        world = World(journal, clock, settings.messages_kept, settings.seed)
        self.limits = Limits(clock)
        self._world = world
        self._script = script
        self._secrets = secrets
        self._witness = Witness(journal, secrets)
        self._paths = Paths(world, secrets)
        self._webhooks = Webhooks(world, secrets, journal, script, retry_seconds=settings.retry_seconds)
        self._polling = Polling(world, script)
        self._setting = Setting(world, secrets, self._polling, self._webhooks, strict=settings.strict)
        self._updates = Updates(world, script, journal)
        self._under_way: set[asyncio.Future[Answer]] = set()
        self.control = routes.router(world, Phones(world, self._updates), secrets, self.limits, journal)

    def serves(self, target: bytes) -> bool:
        """Implements `Provider.serves`: the Bot API answers under /bot, and has files under /file/bot."""
        return target.startswith((b"/bot", b"/file/bot"))

    def handle(self, request: Request) -> Answer | Awaitable[Answer]:
        """Implements `Provider.handle`: answer one call, and note both in the log."""
        try:
            parameters = fields.legible(fields.read(request))
        except fields.FieldsError as error:
            request.keep_alive = False  # HTTP's own refusals have no body, and end the connection
            seen = self._witness.received(request, "", "", None, {})
            return self._witness.answered(seen, Answer(error.status, b""))
        try:
            bot, name = self._paths.find(request.target.partition(b"?")[0], parameters)
        except RefusedError as error:
            seen = self._witness.received(request, "", "", None, {})
            return self._witness.answered(seen, _refused(error))
        call = Call(
            self._world.bots[bot], Parameters(parameters), self._world, self._polling, self._setting, self.limits
        )
        return self._handle(request, call, name)

    def replay(self, entry: Entry) -> None:
        """Implements `Provider.replay`."""
        self._world.replay(entry)
        self._updates.replay(entry)
        if entry["what"] == "limits":
            self.limits.set(msgspec.convert(entry["rates"], type(self.limits.rates)))

    def start(self) -> None:
        """Implements `Provider.start`."""
        self._secrets.check(self._world.bots)
        self._updates.resume()
        for bot in self._world.bots.values():
            self._webhooks.start(bot)

    async def stop(self) -> None:
        """Implements `Provider.stop`."""
        await self._updates.stop()
        await self._webhooks.stop()

    def _handle(self, request: Request, call: Call, name: str) -> Answer | Awaitable[Answer]:
        bot, chat = call.bot.user.username, chats.number(call)
        seen = self._witness.received(request, bot, name, chat, call.parameters.fields)
        fault = self._script.on_call(PROVIDER_NAME, bot, chat, name)
        if (answer := answers.instead(fault)) is not None:
            return self._witness.answered(seen, answer, fault)
        if isinstance(fault, TooManyRequests):
            return self._witness.answered(seen, _refused(too_many(fault.retry_after)), fault)
        if isinstance(fault, Slow) and fault.when == "before":
            return self._shielded(self._late(seen, call, fault))
        result = _processed(call, name)
        if isinstance(result, Answer):
            return self._witness.answered(seen, _spoilt(fault, result, call, chat), fault)
        return self._waited(seen, result, call, fault)

    async def _shielded(self, processing: Awaitable[Answer]) -> Answer:
        """Bring to its end what was begun, whether the client waits or not, as a server does."""
        task = asyncio.ensure_future(processing)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _late(self, seen: Seen, call: Call, fault: Slow) -> Answer:
        await asyncio.sleep(fault.seconds)
        result = _processed(call, seen.method)
        return self._witness.answered(seen, result if isinstance(result, Answer) else await result, fault)

    async def _waited(self, seen: Seen, answer: Awaitable[Answer], call: Call, fault: CallFault | None) -> Answer:
        return self._witness.answered(seen, _spoilt(fault, await answer, call, seen.chat), fault)


def _spoilt(fault: CallFault | None, answer: Answer, call: Call, chat: int | None) -> Answer:
    mailbox = call.bot.mailbox
    first_id = mailbox.next_id
    return answers.spoilt(fault, answer, lambda: mailbox.overtaken(str(chat), first_id))


def _processed(call: Call, name: str) -> Answer | Awaitable[Answer]:
    try:
        result = METHODS[name](call)
    except RefusedError as error:
        return _refused(error)
    except RecursionError:
        return _refused(bad("can't parse JSON object: it nests too deep"))
    return _whenever(result) if isinstance(result, Awaitable) else _accepted(result)


async def _whenever(result: Awaitable[Any]) -> Answer:
    try:
        return _accepted(await result)
    except RefusedError as error:
        return _refused(error)


def _accepted(result: Any) -> Answer:
    if isinstance(result, Described):
        return Answer(200, _encode({"ok": True, "result": result.result, "description": result.description}))
    return Answer(200, _encode({"ok": True, "result": result}))


def _refused(error: RefusedError) -> Answer:
    body: dict[str, Any] = {"ok": False, "error_code": error.code, "description": error.description}
    if error.parameters:
        body["parameters"] = error.parameters
    seconds = error.parameters.get("retry_after")
    return Answer(error.code, _encode(body), [] if seconds is None else [(b"Retry-After", b"%d" % seconds)])
