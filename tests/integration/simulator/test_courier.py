"""The courier, Telegram's channel and the simulator: what is handed over arrives, in order, whatever goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.simulator.world import Bot, Phone
from tests.refusing import refusing

from chat4all.channels.kit.http import ProviderClient
from chat4all.channels.telegram import MANIFEST, Config, Credentials
from chat4all.channels.telegram.channel import TelegramChannel
from chat4all.connectors.attempts import Attempts
from chat4all.connectors.courier import Courier
from chat4all.connectors.health import Trouble
from chat4all.directory.channels import Link, LinkState
from chat4all.directory.port import User
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.limits.embedded import EmbeddedLimits
from chat4all.limits.port import Limits
from chat4all.log.embedded import EmbeddedLog
from chat4all.log.port import CONVERSATIONS, Topic
from chat4all.model import ids, outbound, records
from chat4all.model.connector_reasons import Code
from chat4all.model.delivery import State
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.rates import Rate
from chat4all.store.embedded.ledger import EmbeddedLedger

TG = "local.telegram"
wait = asyncio.to_thread


class Desk:
    """A courier of bruno's, on real engines."""

    def __init__(self, folder: Path, bot: Bot, phone: Phone) -> None:
        self.log = EmbeddedLog(folder / "log.db", synchronous="OFF")
        self.ledger = EmbeddedLedger(folder / "ledger.db", synchronous="OFF")
        self._sql = Sql.in_file(folder / "directory.db")
        self.directory = SqlChannels(self._sql)
        self.phone = phone
        self._bot = bot
        self._clients: list[ProviderClient] = []
        self.courier = self.new_courier()

    def new_courier(self, limits: Limits | None = None, *, answer_seconds: float = 60.0, **options: Any) -> Courier:
        credentials = Credentials.model_validate({"botToken": self._bot.token})
        client = ProviderClient(self._bot.simulator.url, answer_seconds=answer_seconds)
        self._clients.append(client)
        return Courier(
            connector=TG,
            channel=TelegramChannel(client, credentials, Config()),
            capabilities=MANIFEST.capabilities,
            attempts=Attempts(self.ledger, lease_seconds=120.0, **options),
            ledger=self.ledger,
            log=self.log,
            channels=self.directory,
            limits=limits or EmbeddedLimits(),
            per_second=Rate(1000, 1000),
        )

    async def open(self) -> None:
        for engine in (self.log, self.ledger, self._sql):
            await engine.open()
        await self.log.create([Topic(CONVERSATIONS, 1, 1e9)])
        await SqlDirectory(self._sql).add_user(User(username="bruno"))
        person = str(self.phone.id)
        link: dict[str, Any] = {"link_id": "l", "username": "bruno", "channel": "telegram", "connector": TG}
        await self.directory.add_link(Link(**link, external_id=person, chat=person))

    def trouble(self) -> Trouble | None:
        return self.courier.trouble

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        for engine in (self.log, self.ledger, self._sql):
            await engine.close()

    def send(self, text: str, **more: Any) -> outbound.OutboundSend:
        record = more.pop("message_id", ids.new_id())
        return outbound.OutboundSend(record_id=record, message_id=record, text=text, **self._place(), **more)

    def edit(self, of: outbound.OutboundSend, text: str) -> outbound.OutboundEdit:
        return outbound.OutboundEdit(record_id=ids.new_id(), message_id=of.message_id, text=text, **self._place())

    def delete(self, of: outbound.OutboundSend) -> outbound.OutboundDelete:
        return outbound.OutboundDelete(record_id=ids.new_id(), message_id=of.message_id, **self._place())

    def _place(self) -> dict[str, Any]:
        chat = str(self.phone.id)
        place = {"conversation_id": "c", "recipient": "bruno", "link": "l", "generation": 0}
        return {**place, "destination": chat}

    async def take(self, record: outbound.AnyOutbound, courier: Courier | None = None) -> None:
        """As a lane does it, but for the waiting between."""
        async with asyncio.timeout(60):
            while (seconds := await (courier or self.courier).take(record)) is not None:
                await asyncio.sleep(min(seconds, 0.2))

    async def receipts(self) -> list[tuple[State, str, int, int, int]]:
        consumer = self.log.consumer(ids.new_id(), CONVERSATIONS)
        found: list[Any] = []
        while batches := await consumer.poll(max_records=1000, timeout=0.05):
            found += [records.decode(one.key, one.value) for batch in batches for one in batch.records]
        await consumer.close()
        return [(one.state, one.reason, one.delivery.part, one.parts, one.doubts) for one in found]


@pytest.fixture
async def desk(tmp_path: Path, bot: Bot, phone: Phone) -> AsyncIterator[Desk]:
    made = Desk(tmp_path, bot, phone)
    await made.open()
    yield made
    await made.close()


async def shown(desk: Desk, bot: Bot) -> list[str]:
    return (await wait(desk.phone.texts, bot))[1:]


async def test_a_text_arrives_and_is_told_of(desk: Desk, bot: Bot):
    await desk.take(desk.send("Olá 👋"))
    assert await shown(desk, bot) == ["Olá 👋"]
    assert await desk.receipts() == [(State.SENT, "", 0, 1, 0)]


async def test_what_comes_again_is_told_again_and_not_sent_again(desk: Desk, bot: Bot):
    record = desk.send("once")
    await desk.take(record)
    await desk.take(record, desk.new_courier())
    assert await shown(desk, bot) == ["once"]
    assert await desk.receipts() == [(State.SENT, "", 0, 1, 0)] * 2


async def test_what_the_log_does_not_take_is_told_later_and_not_sent_again(desk: Desk, bot: Bot):
    said, edited = desk.send("once"), desk.send("with an eror")
    await desk.take(edited)
    for record in (said, desk.edit(edited, "with an error"), desk.delete(said)):
        async with refusing(desk.log._database):
            with pytest.raises(EngineUnavailableError):
                await desk.take(record)
        await desk.take(record)
    assert await shown(desk, bot) == ["with an error"]
    assert await desk.receipts() == [(State.SENT, "", 0, 1, 0)] * 4


async def test_a_long_text_goes_in_parts(desk: Desk, bot: Bot):
    text = "word " * 1800
    await desk.take(desk.send(text))
    parts = await shown(desk, bot)
    assert " ".join(parts) == text.strip()
    assert len(parts) == 3
    assert [one[2:4] for one in await desk.receipts()] == [(0, 3), (1, 3), (2, 3)]


async def test_an_answer_quotes_what_it_answers(desk: Desk, bot: Bot):
    question = desk.send("Red or blue?")
    await desk.take(question)
    await desk.take(desk.send("Well?", answers=question.message_id))
    last = (await wait(desk.phone.shows, bot))[-1]
    assert last["reply_to_message"]["text"] == "Red or blue?"


async def test_edits_change_add_and_take_away_parts(desk: Desk, bot: Bot):
    record = desk.send("short")
    await desk.take(record)
    await desk.take(desk.edit(record, "edited"))
    assert await shown(desk, bot) == ["edited"]
    await desk.take(desk.edit(record, "edited"))
    assert (await desk.receipts())[-1] == (State.SENT, "", 0, 1, 0), "it is so already"
    await desk.take(desk.delete(record))
    assert await shown(desk, bot) == []
    long = desk.send("word " * 1800)
    await desk.take(long)
    await desk.take(desk.edit(long, "short now"))
    assert await shown(desk, bot) == ["short now"]


async def test_parts_that_an_edit_adds_are_the_message_s_own(desk: Desk, bot: Bot):
    sent, longer = desk.send("short"), "y " * 3000
    await desk.take(sent)
    await desk.take(desk.edit(sent, longer))
    again = desk.edit(sent, longer.replace("y", "z"))
    for _ in range(2):
        await desk.take(again)
    texts = await wait(desk.phone.texts, bot)
    assert len(texts) == 3, "/start and two parts"
    assert {*"".join(texts[1:])} == {"z", " "}
    await desk.take(desk.delete(sent))
    assert await wait(desk.phone.texts, bot) == ["/start"]


async def test_an_old_block_that_comes_again_is_no_news(desk: Desk, bot: Bot):
    sent = desk.send("hello")
    await wait(desk.phone.block, bot)
    await desk.take(sent)
    await desk.directory.set_reachable(TG, str(desk.phone.id), reachable=True, reason="")
    await desk.take(sent)
    (link,) = (await desk.directory.links_of(["bruno"]))["bruno"]
    assert link.state is LinkState.LINKED


async def test_what_was_not_sent_cannot_be_changed(desk: Desk):
    await desk.take(desk.edit(desk.send("never"), "x"))
    await desk.take(desk.delete(desk.send("never")))
    assert await desk.receipts() == [(State.FAILED, "NotSent", 0, 1, 0)] * 2


async def test_only_spaces_are_nothing(desk: Desk, bot: Bot):
    await desk.take(desk.send(" \n "))
    assert await shown(desk, bot) == []
    assert await desk.receipts() == [(State.FAILED, "Empty", 0, 1, 0)]


async def test_who_has_blocked_us_is_marked(desk: Desk, bot: Bot):
    await wait(desk.phone.block, bot)
    await desk.take(desk.send("hello?"))
    assert await desk.receipts() == [(State.FAILED, "Blocked", 0, 1, 0)]
    (link,) = (await desk.directory.links_of(["bruno"]))["bruno"]
    assert (link.state, link.reason) == (LinkState.UNREACHABLE, "Blocked")


FAULTS = [
    ({"fault": "too_many_requests", "retry_after": 1}, 1, 0),
    ({"fault": "server_error", "status": 500, "when": "before"}, 1, 1),
    ({"fault": "server_error", "status": 502, "when": "after"}, 2, 1),
    ({"fault": "cut", "when": "before"}, 1, 1),
    ({"fault": "cut", "when": "after"}, 2, 1),
    ({"fault": "half_open", "when": "after"}, 2, 1),
    ({"fault": "wrong_json"}, 2, 1),
]


@pytest.mark.parametrize(("fault", "copies", "doubts"), FAULTS, ids=[str(one[0]) for one in FAULTS])
async def test_whatever_goes_wrong_it_arrives_and_doubts_are_told(desk: Desk, bot: Bot, fault, copies, doubts):
    await wait(lambda: bot.fails(on={"method": "sendMessage"}, nth=1, do=fault))
    courier = desk.new_courier(answer_seconds=3.0 if fault["fault"] == "half_open" else 60.0)
    await desk.take(desk.send("hello"), courier)
    assert await shown(desk, bot) == ["hello"] * copies
    assert await desk.receipts() == [(State.SENT, "", 0, 1, doubts)]
    assert copies <= 1 + doubts


async def test_or_it_is_held_where_that_is_wanted(desk: Desk, bot: Bot):
    await wait(lambda: bot.fails(on={"method": "sendMessage"}, nth=1, do={"fault": "cut", "when": "after"}))
    await desk.take(desk.send("hello"), desk.new_courier(on_uncertain="Hold"))
    assert await shown(desk, bot) == ["hello"]
    assert await desk.receipts() == [(State.FAILED, "Uncertain", 0, 1, 1)]


async def test_a_wrong_token_is_a_state_and_nothing_is_lost(desk: Desk, bot: Bot):
    record = desk.send("later")
    await wait(bot.simulator.control, "PUT", f"/telegram/bots/{bot.name}", {"token": f"{bot.id}:{'C' * 35}"})
    seconds = await desk.courier.take(record)
    assert seconds is not None
    assert seconds >= 15, "slowly"
    assert desk.trouble() == (Code.TOKEN_REFUSED, "Telegram: Unauthorized")
    await wait(bot.simulator.control, "PUT", f"/telegram/bots/{bot.name}", {"token": bot.token})
    await desk.take(record)
    assert desk.trouble() is None
    assert await shown(desk, bot) == ["later"]


async def test_a_chat_gets_one_a_second_as_telegram_wants_it(desk: Desk, bot: Bot):
    courier = desk.new_courier(EmbeddedLimits(clock=lambda: 0.0))  # no second passes here, however slow we are
    await desk.take(desk.send("first"), courier)
    seconds = await courier.take(desk.send("second"))
    assert seconds is not None
    assert 0 < seconds <= 1
    assert await shown(desk, bot) == ["first"]
