"""Bot API calls: {base}/bot{token}/{method}. Who calls what, what goes wrong with it, and the answer."""

import asyncio
import random
import re
from collections.abc import Awaitable
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from chat4all.simulator.clock import Clock
from chat4all.simulator.faults import answers
from chat4all.simulator.faults.rules import CallFault, Slow, TooManyRequests
from chat4all.simulator.faults.script import Script
from chat4all.simulator.http import fields
from chat4all.simulator.http.exchange import Answer, Manner, Request
from chat4all.simulator.journal import Entry, Journal
from chat4all.simulator.settings import SimulatorSettings
from chat4all.simulator.telegram.control import routes
from chat4all.simulator.telegram.limits import Limits
from chat4all.simulator.telegram.methods import chats
from chat4all.simulator.telegram.methods.absent import ABSENT
from chat4all.simulator.telegram.methods.call import Call, Described, Method
from chat4all.simulator.telegram.methods.table import BY_LOWER_NAME, LIMITED, METHODS
from chat4all.simulator.telegram.parameters import Parameters
from chat4all.simulator.telegram.phones import Phones
from chat4all.simulator.telegram.polling import Polling
from chat4all.simulator.telegram.refusals import RefusedError, bad, too_many
from chat4all.simulator.telegram.secrets import Secrets
from chat4all.simulator.telegram.setting import Setting
from chat4all.simulator.telegram.updates import NAME, Updates
from chat4all.simulator.telegram.webhooks import Webhooks
from chat4all.simulator.telegram.world import World

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{24,}")
_HIDDEN: Final = "**********"  # stands for what must not be in a log

_encode = msgspec.json.Encoder().encode


class Telegram:
    """See `chat4all.simulator.provider.Provider`."""

    name = NAME

    def __init__(self, settings: SimulatorSettings, journal: Journal, script: Script, clock: Clock) -> None:
        secrets = Secrets(settings.data / "telegram.json")
        chance = random.Random(settings.seed)  # noqa: S311 - it has to be repeatable
        self.world = World(journal, clock, settings.messages_kept, settings.seed)
        self.limits = Limits(clock)
        self._journal = journal
        self._script = script
        self._secrets = secrets
        self._webhooks = Webhooks(self.world, secrets, journal, settings.retry_seconds, settings.seed)
        self._polling = Polling(self.world, chance)
        self._setting = Setting(self.world, secrets, self._polling, self._webhooks, strict=settings.strict)
        self._updates = Updates(self.world, script, journal)
        self._known: dict[bytes, tuple[int, str]] = {}  # bot and method of the paths that were right before
        phones = Phones(self.world, self._updates)
        self.control = routes.router(self.world, phones, secrets, self.limits, journal)

    def serves(self, target: bytes) -> bool:
        """The Bot API answers under /bot, and has files under /file/bot."""
        return target.startswith((b"/bot", b"/file/bot"))

    def handle(self, request: Request) -> Answer | Awaitable[Answer]:
        """Answer one call, and have both in the log."""
        try:
            given = fields.read(request)
        except fields.FieldsError as error:
            return self._unread(request, error.status)
        path = request.target.partition(b"?")[0]
        try:
            bot, name = self._known.get(path) or self._find(path, given)
        except RefusedError as error:
            number = self._received(request, "", "", None, {})
            return self._answered(number, _refused(error), None)
        call = Call(self.world.bots[bot], Parameters(given), self.world, self._polling, self._setting)
        return self._handle(request, call, name)

    def replay(self, entry: Entry) -> None:
        """See Provider."""
        self.world.replay(entry)
        self._updates.replay(entry)
        if entry["what"] == "limits":
            self.limits.set(msgspec.convert(entry["rates"], type(self.limits.rates)))

    def start(self) -> None:
        """See Provider."""
        self._updates.resume()
        for bot in self.world.bots.values():
            self._webhooks.start(bot)

    async def stop(self) -> None:
        """See Provider."""
        await self._updates.stop()
        await self._webhooks.stop()

    def _handle(self, request: Request, call: Call, name: str) -> Answer | Awaitable[Answer]:
        bot, chat = call.bot.user.username, chats.number(call)
        number = self._received(request, bot, name, chat, call.parameters.fields)
        fault = self._script.on_call(NAME, bot, chat, name)
        if (answer := answers.instead(fault)) is not None:
            return self._answered(number, answer, fault)
        if isinstance(fault, TooManyRequests):
            return self._answered(number, _refused(too_many(fault.retry_after)), fault)
        if isinstance(fault, Slow) and fault.when == "before":
            return self._late(number, call, name, fault)
        done = self._done(call, name, chat)
        if isinstance(done, Answer):
            return self._answered(number, self._spoilt(fault, done, call, chat), fault)
        return self._waited(number, done, call, chat, fault)

    async def _late(self, number: int, call: Call, name: str, fault: Slow) -> Answer:
        await asyncio.sleep(fault.seconds)
        done = self._done(call, name, chats.number(call))
        return self._answered(number, done if isinstance(done, Answer) else await done, fault)

    async def _waited(
        self, number: int, done: Awaitable[Answer], call: Call, chat: int | None, fault: CallFault | None
    ) -> Answer:
        return self._answered(number, self._spoilt(fault, await done, call, chat), fault)

    def _spoilt(self, fault: CallFault | None, answer: Answer, call: Call, chat: int | None) -> Answer:
        mailbox = call.bot.mailbox
        after = mailbox.next_id
        return answers.spoilt(fault, answer, lambda: mailbox.overtaken(str(chat), after))

    def _done(self, call: Call, name: str, chat: int | None) -> Answer | Awaitable[Answer]:
        """Process it."""
        method: Method = METHODS[name]
        try:
            if name in LIMITED and chat is not None:
                self.limits.take(call.bot.user.id, chat)
            result = method(call)
        except RefusedError as error:
            return _refused(error)
        return _whenever(result) if isinstance(result, Awaitable) else _accepted(result)

    def _find(self, path: bytes, given: fields.Fields) -> tuple[int, str]:
        """Whose call it is, and of which method. Raises RefusedError."""
        parts = unquote_to_bytes(path).decode("utf-8", "replace").split("/", 2)
        if not parts[1].startswith("bot") or len(parts) < 3:
            raise RefusedError(404, "Not Found")
        lowered = (parts[2] or given.get("method", "")).lower()
        bot = self._bot(parts[1].removeprefix("bot"), lowered)
        name = BY_LOWER_NAME.get(lowered)
        if name is None and lowered in ABSENT:
            raise RefusedError(501, f"Not Implemented: the simulator does not answer {lowered}")
        if name is None:
            raise RefusedError(404, "Not Found: method not found")
        if parts[2]:
            self._known[path] = bot, name
        return bot, name

    def _bot(self, token: str, method: str) -> int:
        number, colon, secret = token.partition(":")
        invalid = RefusedError(401, "Unauthorized: invalid token specified")
        if not colon or not number or token.startswith("0") or len(token.encode()) > 80:
            raise invalid
        try:
            bot = int(number) if re.fullmatch(r"-?\d{1,19}", number) else None
        except ValueError:
            bot = None
        if bot is None:
            raise RefusedError(421, "Misdirected Request: unallowed token specified")
        if not 0 < bot < 1 << 54:
            raise invalid
        if not _TOKEN.fullmatch(secret) or self._secrets.bot(token) != bot or bot not in self.world.bots:
            raise bad("the bot has already been closed") if method == "close" else RefusedError(401, "Unauthorized")
        return bot

    def _received(self, request: Request, bot: str, method: str, chat: int | None, given: fields.Fields) -> int:
        if "secret_token" in given:
            given = {**given, "secret_token": _HIDDEN}
        told: dict[str, Any] = {"provider": NAME, "connection": request.connection, "verb": request.verb}
        told |= {"bot": bot, "method": method, "chat": chat}
        try:
            return self._journal.note("received", **told, parameters=given)
        except UnicodeEncodeError:  # it did not come as UTF-8
            shown = {name: text.encode("utf-8", "replace").decode() for name, text in given.items()}
            return self._journal.note("received", **told, parameters=shown)

    def _answered(self, number: int, answer: Answer, fault: CallFault | None) -> Answer:
        """In the log stands what leaves; where less than all leaves, `manner` says so."""
        told: dict[str, Any] = {"call": number, "status": answer.status}
        if fault is not None:
            told["fault"] = fault.fault
        if answer.manner is not None:
            told["manner"] = _manner(answer.manner)
        body = answer.body
        if answer.kind == b"application/json" and not told.get("fault"):
            told["body"] = msgspec.Raw(body)
        else:
            told["text"] = body.decode("utf-8", "replace")
        self._journal.note("answered", **told)
        return answer

    def _unread(self, request: Request, status: int) -> Answer:
        """HTTP's own refusals have no body, and the line is closed."""
        number = self._received(request, "", "", None, {})
        request.keep_alive = False
        self._journal.note("answered", call=number, status=status, text="")
        return Answer(status, b"")


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
    after = error.parameters.get("retry_after")
    return Answer(error.code, _encode(body), [] if after is None else [(b"Retry-After", b"%d" % after)])


def _manner(manner: Manner) -> str:
    if manner.silent:
        return "nothing is sent, the line stays open"
    if manner.cut_at is not None:
        return f"cut after {manner.cut_at} bytes"
    return f"held back {manner.after} s" if manner.after else "held back until overtaken"
