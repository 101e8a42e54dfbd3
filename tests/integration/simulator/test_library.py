"""A public bot library, unmodified, talks to the simulator as it talks to Telegram, and understands all it says."""

import asyncio
import contextlib
import datetime as dt
import gc

import pytest
from telegram import Bot as LibraryBot
from telegram import MessageEntity, ReplyParameters, Update
from telegram.constants import ChatAction, ParseMode
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, RetryAfter
from telegram.ext import Application, ApplicationBuilder, TypeHandler
from tests.integration.simulator.world import DEADLINE, Bot, Phone, until

from chat4all_devtools.ports import free_port


@contextlib.asynccontextmanager
async def library(bot: Bot):
    async with LibraryBot(bot.token, base_url=f"{bot.simulator.url}/bot", base_file_url=bot.simulator.url) as made:
        yield made


def unknown_fields(thing: object) -> dict[str, object]:
    """What the library did not know, anywhere in an object."""
    found: dict[str, object] = dict(getattr(thing, "api_kwargs", {}))
    for name in getattr(thing, "__slots__", ()):
        value = getattr(thing, name, None)
        if hasattr(value, "to_dict") and name not in {"_bot", "bot"}:
            found |= unknown_fields(value)
    return found


async def test_it_sends_edits_quotes_and_deletes(bot: Bot, phone: Phone):
    async with library(bot) as made:
        me = await made.get_me()
        assert (me.id, me.username, me.is_bot) == (bot.id, bot.name, True)
        sent = await made.send_message(phone.id, "Olá <b>Bruno</b> 👩‍👩‍👧", parse_mode=ParseMode.HTML)
        assert sent.text == "Olá Bruno 👩‍👩‍👧"
        assert [sent.parse_entity(one) for one in sent.entities] == ["Bruno"]
        theirs = phone.write(bot, "What about the order?")
        quoting = ReplyParameters(theirs["message_id"], quote="the order")
        answer = await made.send_message(phone.id, "It is on its way.", reply_parameters=quoting)
        assert answer.reply_to_message is not None
        assert answer.reply_to_message.text == "What about the order?"
        assert answer.quote is not None
        assert (answer.quote.text, answer.quote.position) == ("the order", 11)
        edited = await made.edit_message_text("It is there.", phone.id, answer.message_id)
        assert (edited.text, edited.message_id) == ("It is there.", answer.message_id)
        assert await made.send_chat_action(phone.id, ChatAction.TYPING)
        assert await made.delete_message(phone.id, sent.message_id)
        chat = await made.get_chat(phone.id)
        assert chat.username == phone.name
        for one in (me, sent, answer, edited, chat):
            assert unknown_fields(one) == {}
    assert phone.texts(bot) == ["/start", "What about the order?", "It is there."]


async def test_it_tells_what_went_wrong(bot: Bot, phone: Phone, monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    async with library(bot) as made:
        with pytest.raises(BadRequest, match="Chat not found"):
            await made.send_message(4_000_000_000, "hello")
        with pytest.raises(BadRequest, match="Can't parse entities"):
            await made.send_message(phone.id, "*hello", parse_mode=ParseMode.MARKDOWN_V2)
        bot.fails(do={"fault": "too_many_requests", "retry_after": 7}, times=1)
        with pytest.raises(RetryAfter) as late:
            await made.send_message(phone.id, "hello")
        assert late.value.retry_after == dt.timedelta(seconds=7)
        phone.block(bot)
        with pytest.raises(Forbidden, match="bot was blocked by the user"):
            await made.send_message(phone.id, "hello")
        await made.set_webhook("http://127.0.0.1:9/nobody")
        with pytest.raises(Conflict):
            await made.get_updates()
    strange = LibraryBot(f"{bot.id}:{'A' * 35}", base_url=f"{bot.simulator.url}/bot")
    with pytest.raises(InvalidToken):
        await strange.initialize()
    await strange.shutdown()


class Heard:
    """What an application of the library was told."""

    def __init__(self) -> None:
        self.updates: list[Update] = []
        self.changed = asyncio.Event()

    def application(self, bot: Bot) -> Application:  # type: ignore[type-arg]
        made = ApplicationBuilder().token(bot.token).base_url(f"{bot.simulator.url}/bot").build()
        made.add_handler(TypeHandler(Update, self.hear))
        return made

    async def hear(self, update: object, _: object) -> None:
        assert isinstance(update, Update)
        if update not in self.updates:
            self.updates.append(update)
            self.changed.set()
            if update.message is not None and update.message.text:
                await update.message.reply_text(f"You said: {update.message.text}", do_quote=True)

    async def wait(self, count: int) -> list[Update]:
        async with asyncio.timeout(DEADLINE):
            while len(self.updates) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.updates


async def converse(bot: Bot, phone: Phone, heard: Heard) -> None:
    """A person says things of every kind; the library understands each, in order."""
    wait = asyncio.to_thread
    first = await wait(phone.write, bot, "Hello, see example.com or /help")
    await wait(phone.edit, bot, first["message_id"], "Hello!")
    await heard.wait(2)
    answer = (await wait(phone.shows, bot))[-1]
    await wait(lambda: phone.write(bot, "Who?", reply_to=answer["message_id"], quote="You said"))
    await heard.wait(3)
    await wait(until, lambda: "You said: Who?" in phone.texts(bot))
    await wait(phone.block, bot)
    await wait(phone.block, bot, False)
    group = await wait(phone.group)
    members = f"/telegram/groups/{group}/members"
    await wait(bot.simulator.control, "POST", members, {"user": bot.name, "by": phone.name})
    await wait(phone.write, group, f"/ask@{bot.name} now")
    updates = await heard.wait(8)
    kinds = sorted(
        next(name for name in ("message", "edited_message", "my_chat_member") if getattr(one, name)) for one in updates
    )
    assert kinds == ["edited_message", *["message"] * 4, *["my_chat_member"] * 3]
    messages = [one.message for one in updates if one.message]
    assert [one.text for one in messages if one.chat.id == phone.id] == ["Hello, see example.com or /help", "Who?"]
    assert [one.type for one in messages[0].entities] == [MessageEntity.URL, MessageEntity.BOT_COMMAND]
    quoting = next(one for one in messages if one.text == "Who?")
    assert quoting.reply_to_message is not None
    assert quoting.reply_to_message.from_user is not None
    assert (quoting.reply_to_message.from_user.id, quoting.quote and quoting.quote.text) == (bot.id, "You said")
    moves = [one.my_chat_member for one in updates if one.my_chat_member]
    statuses = [(one.old_chat_member.status, one.new_chat_member.status) for one in moves]
    assert statuses == [("member", "kicked"), ("kicked", "member"), ("left", "member")]
    for one in updates:
        assert unknown_fields(one) == {}


# The library cancels its long poll when it stops, and leaves the line to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_it_polls(bot: Bot, phone: Phone):
    heard = Heard()
    application = heard.application(bot)
    async with application:
        await application.start()
        assert application.updater is not None
        await application.updater.start_polling(timeout=5, allowed_updates=Update.ALL_TYPES)
        await converse(bot, phone, heard)
        await application.updater.stop()
        await application.stop()
    gc.collect()


async def test_it_is_called_by_webhook(bot: Bot, phone: Phone):
    heard = Heard()
    application = heard.application(bot)
    port = free_port()
    async with application:
        await application.start()
        assert application.updater is not None
        url = f"http://127.0.0.1:{port}/hook"
        await application.updater.start_webhook(
            "127.0.0.1", port, "hook", webhook_url=url, secret_token="s3cret", allowed_updates=Update.ALL_TYPES
        )
        await converse(bot, phone, heard)
        async with asyncio.timeout(DEADLINE):
            while (info := await application.bot.get_webhook_info()).pending_update_count:
                await asyncio.sleep(0.01)  # between looks: what has come is yet to be answered
        assert (info.url, info.pending_update_count, info.last_error_message) == (url, 0, None)
        assert unknown_fields(info) == {}
        await application.updater.stop()
        await application.stop()
