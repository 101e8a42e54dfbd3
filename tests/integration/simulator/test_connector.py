"""A message goes out to Telegram and its answer comes back: router, connector and simulator, all real."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.simulator.receiver import Receiver
from tests.integration.simulator.world import Bot, Phone, Simulator
from tests.refusing import refusing

from chat4all.channels.kit import errors
from chat4all.channels.kit.http import ProviderClient
from chat4all.channels.kit.port import Part, Post
from chat4all.channels.telegram import MANIFEST, Config, Credentials
from chat4all.channels.telegram.channel import TelegramChannel
from chat4all.connectors.attempts import Attempts
from chat4all.connectors.connector import Connector
from chat4all.connectors.courier import Courier
from chat4all.connectors.health import Reporter
from chat4all.connectors.inbound import Inbound
from chat4all.directory import channels as registered
from chat4all.directory.channels import Link
from chat4all.directory.port import Conversation, Role, User
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.limits.embedded import EmbeddedLimits
from chat4all.log.embedded import EmbeddedLog
from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, EVENTS, Entry, Topic, outbound_topic
from chat4all.model import ids, records
from chat4all.model.delivery import State
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.ids import contact_name, inbox_id
from chat4all.model.rates import Rate
from chat4all.model.rows import Row
from chat4all.realtime.embedded import EmbeddedRealtime
from chat4all.routing.dispatch import Dispatch
from chat4all.routing.router import Router, RoutingSettings
from chat4all.store.embedded.ledger import EmbeddedLedger
from chat4all.store.embedded.store import EmbeddedStore
from chat4all.telemetry.metrics import Metrics

TG = "local.telegram"
wait = asyncio.to_thread


class Hub:
    """Router and connector in tasks; ana is an agent, bruno has a phone."""

    def __init__(self, folder: Path, bot: Bot) -> None:
        self.log = EmbeddedLog(folder / "log.db", synchronous="OFF")
        self.store = EmbeddedStore(folder / "store.db", synchronous="OFF")
        self.ledger = EmbeddedLedger(folder / "ledger.db", synchronous="OFF")
        self._sql = Sql.in_file(folder / "directory.db")
        self.directory, self.channels = SqlDirectory(self._sql), SqlChannels(self._sql)
        self._bot = bot
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def open(self) -> None:
        for engine in (self.log, self.store, self.ledger, self._sql):
            await engine.open()
        await self.log.create([Topic(name, 2, 1e9) for name in (CONVERSATIONS, EVENTS, DEAD_LETTERS)])
        for name, role in (("ana", Role.AGENT), ("bruno", Role.USER)):
            await self.directory.add_user(User(username=name, role=role))
        dispatch = Dispatch(
            log=self.log, store=self.store, ledger=self.ledger, directory=self.directory, channels=self.channels
        )
        router = Router(
            log=self.log,
            store=self.store,
            directory=self.directory,
            realtime=EmbeddedRealtime(),
            dispatch=dispatch,
            metrics=Metrics(),
            epoch=1,
            settings=RoutingSettings(poll_seconds=0.05),
        )
        self._tasks["router"] = asyncio.create_task(router.run())

    async def close(self) -> None:
        for name in [*self._tasks]:
            await self.stop(name)
        for engine in (self.log, self.store, self.ledger, self._sql):
            await engine.close()

    async def connect(self, name: str = TG, url: str = "", holder: str = "one", lease: float = 60.0) -> Connector:
        """Start a connector of the bot's. `lease`: seconds for which one that dies holds up an attempt."""
        uid = ids.new_id()
        known = next((one for one in await self.channels.connectors() if one.name == name), None)
        if known is None:
            given: dict[str, Any] = {"channel": "telegram", "managed_by": "test", "spec": {}}
            await self.channels.put_connector(registered.ConnectorRow(uid=uid, name=name, **given))
        client = ProviderClient(self._bot.simulator.url, answer_seconds=60)
        given = {"botToken": self._bot.token, "webhookSecret": "secret_of_this_test"}
        channel = TelegramChannel(client, Credentials.model_validate(given), Config())

        async def say(chat: str, text: str) -> None:
            with contextlib.suppress(errors.ChannelError):
                await channel.send(Part(chat=chat, text=text))

        courier = Courier(
            connector=name,
            channel=channel,
            capabilities=MANIFEST.capabilities,
            attempts=Attempts(self.ledger, lease_seconds=lease),
            ledger=self.ledger,
            log=self.log,
            channels=self.channels,
            limits=EmbeddedLimits(),
            per_second=Rate(1000, 1000),
        )
        inbound = Inbound(
            connector=name,
            channel="telegram",
            inbox=["ana"],
            channels=self.channels,
            ledger=self.ledger,
            log=self.log,
            reply=say,
            on_outbox_change=lambda: None,
            metrics=Metrics(),
        )
        made = Connector(
            uid=known.uid if known else uid,
            name=name,
            channel=channel,
            courier=courier,
            inbound=inbound,
            log=self.log,
            directory=self.directory,
            channels=self.channels,
            reporter=Reporter(self.channels, known.uid if known else uid, f"pod-{holder}"),
            mode="Webhook" if url else "Polling",
            holder=holder,
            metrics=Metrics(),
            url=url,
        )

        async def run() -> None:
            try:
                await made.run()
            finally:
                await client.close()

        self._tasks[name] = asyncio.create_task(run())
        return made

    async def stop(self, name: str) -> None:
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def conversation(self, phone: Phone) -> str:
        """Of ana and bruno, whose phone it is."""
        person = str(phone.id)
        if not (await self.channels.links_of(["bruno"]))["bruno"]:
            place = {"channel": "telegram", "connector": TG, "external_id": person, "chat": person}
            await self.channels.add_link(Link(link_id=ids.new_id(), username="bruno", **place))  # type: ignore[arg-type]
        given: dict[str, Any] = {"type": "group", "created_by": "ana", "created_at": 1, "metadata": {}}
        made = Conversation(conversation_id=ids.new_id(), members=("ana", "bruno"), **given)
        await self.directory.add_conversation(made, [])
        return made.conversation_id

    async def post(self, conversation: str, text: str) -> str:
        record = records.Message(id=ids.new_id(), conversation_id=conversation, sender_id="ana", content=text)
        await self.log.append([Entry(CONVERSATIONS, conversation.encode(), records.encode(record))])
        return record.id

    async def rows(self, conversation: str) -> list[Row]:
        return await self.store.history(conversation, after_seq=0, limit=1000)

    async def until_rows(self, conversation: str, count: int) -> list[tuple[str, str]]:
        """Who said what, once so much was said."""
        async with asyncio.timeout(60):
            while len(rows := await self.rows(conversation)) < count:
                await asyncio.sleep(0.02)
        return [(row.sender_id, row.text) for row in rows]

    async def until_state(self, message: str, state: State) -> int:
        """Once it is so; how many attempts are in doubt."""
        async with asyncio.timeout(60):
            while True:
                found = (await self.ledger.deliveries([message])).get(message, [])
                if found and all(one.state is state for one in found):
                    break
                await asyncio.sleep(0.02)
        return sum([one.uncertain for part in found for one in await self.ledger.attempts(part.key.id)])


@pytest.fixture
async def hub(tmp_path: Path, bot: Bot) -> AsyncIterator[Hub]:
    made = Hub(tmp_path, bot)
    await made.open()
    yield made
    await made.close()


async def shown(phone: Phone, bot: Bot, count: int) -> list[str]:
    async with asyncio.timeout(60):
        while len(texts := (await wait(phone.texts, bot))[1:]) < count:
            await asyncio.sleep(0.02)
    return texts


async def test_a_message_goes_out_and_its_answer_comes_back(hub: Hub, bot: Bot, phone: Phone):
    chat = await hub.conversation(phone)
    connector = await hub.connect()
    message = await hub.post(chat, "Olá, Bruno!")
    assert await shown(phone, bot, 1) == ["Olá, Bruno!"]
    assert await hub.until_state(message, State.SENT) == 0
    await wait(phone.write, bot, "Olá, Ana!")
    assert await hub.until_rows(chat, 2) == [("ana", "Olá, Bruno!"), ("bruno", "Olá, Ana!")]
    async with asyncio.timeout(60):
        while not connector.status.registered:  # it says so once the poll is kept, a moment after the rows are there
            await asyncio.sleep(0.02)
    assert (connector.status.account, connector.status.registered, connector.status.problem) == (
        f"@{bot.name}",
        True,
        "",
    )


async def until_problem(connector: Connector, words: str) -> None:
    async with asyncio.timeout(60):
        while words not in connector.status.problem:
            await asyncio.sleep(0.02)


async def test_what_was_polled_is_polled_again_until_the_log_has_it(hub: Hub, bot: Bot, phone: Phone):
    chat = await hub.conversation(phone)
    await hub.channels.reached(TG, str(phone.id), chat, 1_800_000_000_000)
    async with refusing(hub.log._database):
        connector = await hub.connect()
        await wait(phone.write, bot, "Olá, Ana!")
        await until_problem(connector, "log is unavailable")
    assert await hub.until_rows(chat, 1) == [("bruno", "Olá, Ana!")]


async def test_what_cannot_be_read_is_not_passed_over_before_it_is_with_the_dead_letters(hub: Hub, bot: Bot):
    topic = outbound_topic(TG)
    await hub.log.create([topic])
    await hub.log.append([Entry(topic.name, b"7", b"{")])
    async with refusing(hub.log._database):
        await until_problem(await hub.connect(), "log is unavailable")
    letters: list[bytes] = []
    async with asyncio.timeout(60):
        while not letters:
            found = [await hub.log.read(DEAD_LETTERS, partition, offset=0, limit=2) for partition in range(2)]
            letters = [one.value for some in found for one in some]
            await asyncio.sleep(0.02)
    assert letters == [b"{"]


async def test_somebody_unknown_is_a_contact_whom_ana_can_answer(hub: Hub, bot: Bot, simulator: Simulator):
    await hub.connect()
    clara = simulator.phone("Clara")
    await wait(clara.write, bot, "/start")
    await wait(clara.write, bot, "Anybody there?")
    chat = inbox_id(TG, str(clara.id), contact_name(TG, str(clara.id)))
    assert await hub.until_rows(chat, 1) == [(contact_name(TG, str(clara.id)), "Anybody there?")]
    await hub.post(chat, "Yes!")
    assert await shown(clara, bot, 2) == ["Anybody there?", "Yes!"]


async def test_what_is_quoted_says_which_conversation_is_meant(hub: Hub, bot: Bot, phone: Phone):
    older, newer = await hub.conversation(phone), await hub.conversation(phone)
    await hub.connect()
    await hub.until_state(await hub.post(older, "about the order"), State.SENT)
    await hub.until_state(await hub.post(newer, "about the bill"), State.SENT)
    quoted = next(one for one in await wait(phone.shows, bot) if one["text"] == "about the order")
    await wait(lambda: phone.write(bot, "it has come", reply_to=quoted["message_id"]))
    assert (await hub.until_rows(older, 2))[-1] == ("bruno", "it has come")
    assert len(await hub.rows(newer)) == 1
    row = (await hub.rows(older))[-1]
    assert row.reply_to == (await hub.rows(older))[0].message_id


async def test_edits_go_both_ways(hub: Hub, bot: Bot, phone: Phone):
    chat = await hub.conversation(phone)
    await hub.connect()
    message = await hub.post(chat, "Helo")
    await hub.until_state(message, State.SENT)
    edit = records.Edit(id=ids.new_id(), conversation_id=chat, sender_id="ana", target_id=message, content="Hello")
    await hub.log.append([Entry(CONVERSATIONS, chat.encode(), records.encode(edit))])
    async with asyncio.timeout(60):
        while await wait(phone.texts, bot) != ["/start", "Hello"]:
            await asyncio.sleep(0.02)
    said = await wait(phone.write, bot, "tahnks")
    await wait(phone.edit, bot, said["message_id"], "thanks")
    await hub.until_rows(chat, 4)
    assert [row.text for row in await hub.rows(chat) if row.kind == "message"] == ["Hello", "thanks"]


async def test_one_chat_that_is_parked_holds_up_no_other(hub: Hub, bot: Bot, phone: Phone, simulator: Simulator):
    chat = await hub.conversation(phone)
    clara = simulator.phone("Clara")
    await wait(clara.write, bot, "/start")
    await wait(lambda: bot.fails(on={"chat": phone.id}, do={"fault": "too_many_requests", "retry_after": 600}, times=1))
    await hub.connect()
    await wait(clara.write, bot, "hello")
    other = inbox_id(TG, str(clara.id), contact_name(TG, str(clara.id)))
    await hub.until_rows(other, 1)
    await hub.post(chat, "parked")
    await hub.post(other, "flows")
    assert (await shown(clara, bot, 2))[-1] == "flows"
    assert (await wait(phone.texts, bot))[1:] == []


async def test_a_connector_that_ends_in_the_middle_of_a_send_loses_nothing(hub: Hub, bot: Bot, phone: Phone):
    chat = await hub.conversation(phone)
    await hub.connect(lease=5.0)
    await wait(lambda: bot.fails(on={"method": "sendMessage"}, nth=1, do={"fault": "slow", "seconds": 600}))
    message = await hub.post(chat, "in the middle")
    await shown(phone, bot, 1)  # processed, and not yet answered
    connector = hub._tasks.pop(TG)
    connector.cancel()
    for task in asyncio.all_tasks():
        if "Lanes._run" in repr(task):
            task.cancel()  # as a kill would
    await asyncio.gather(connector, return_exceptions=True)
    await hub.connect(holder="one")
    doubts = await hub.until_state(message, State.SENT)
    texts = (await wait(phone.texts, bot))[1:]
    assert doubts == 1
    assert texts == ["in the middle"] * len(texts)
    assert 1 <= len(texts) <= 1 + doubts


async def test_a_second_connector_of_the_same_bot_is_refused(hub: Hub, bot: Bot, phone: Phone):
    first = await hub.connect()
    async with asyncio.timeout(60):
        while not first.status.account:
            await asyncio.sleep(0.02)
    second = await hub.connect("local.other")
    async with asyncio.timeout(60):
        while not second.status.problem:
            await asyncio.sleep(0.02)
    assert second.status.problem == f"Another connector has the account @{bot.name}."


async def test_of_two_pods_one_receives_and_gives_way_to_the_other_when_it_ends(hub: Hub, bot: Bot, phone: Phone):
    first = await hub.connect(holder="one")
    await until_receives(first)
    hub._tasks["first"] = hub._tasks.pop(TG)
    second = await hub.connect(holder="two")
    (row,) = await hub.channels.connectors()

    async def told(*wanted: tuple[str, str, bool | None]) -> None:
        async with asyncio.timeout(60):
            while True:
                reports = (await hub.channels.reports([row.uid], since=0))[row.uid]
                if [(one.pod, one.role, one.registered) for one in reports if one.reason == "Connected"] == [*wanted]:
                    break
                await asyncio.sleep(0.02)

    await told(("pod-one", "receives", True), ("pod-two", "sends", None))
    began = time.monotonic()
    await hub.stop("first")
    await until_receives(second)
    assert time.monotonic() - began < 30, "it need not wait until the other's lease ends by itself"
    await wait(phone.write, bot, "who is there?")
    await told(("pod-one", "receives", True), ("pod-two", "receives", True))


async def until_receives(connector: Connector) -> None:
    async with asyncio.timeout(60):
        while (connector.status.role, connector.status.registered) != ("receives", True):
            await asyncio.sleep(0.02)


async def test_what_a_provider_says_of_the_webhook_is_told(hub: Hub, bot: Bot, phone: Phone):
    connector = await hub.connect(url="http://127.0.0.1:1/hooks/telegram/x")
    async with asyncio.timeout(60):
        while not connector.status.registered:
            await asyncio.sleep(0.02)
    assert connector.status.reason == "Connected"
    await wait(phone.write, bot, "nobody hears this")
    known = await connector._channel.registration()
    async with asyncio.timeout(60):
        while not known.problem:
            known = await connector._channel.registration()
            await asyncio.sleep(0.02)
    await hub.stop(TG)
    again = await hub.connect(url="http://127.0.0.1:1/hooks/telegram/x")
    await until_problem(again, known.problem)
    assert (again.status.reason, again.status.registered, again.status.authenticated) == ("HookFailing", True, True)


async def test_by_webhook_what_is_genuine_is_kept_once(hub: Hub, bot: Bot, phone: Phone):
    chat = await hub.conversation(phone)
    receiver = Receiver()
    connector = await hub.connect(url=receiver.url)
    async with asyncio.timeout(60):
        while not connector.status.registered:
            await asyncio.sleep(0.02)
    await hub.channels.reached(TG, str(phone.id), chat, 1_800_000_000_000)
    await wait(phone.write, bot, "by webhook")
    await wait(receiver.wait, 1)
    post = Post({name.lower(): value for name, value in receiver.headers[0].items()}, receiver.bodies[0])
    async with refusing(hub.log._database):
        with pytest.raises(EngineUnavailableError):
            await connector.receive(post)
    assert await hub.rows(chat) == []
    for _ in range(50):
        await connector.receive(post)
    assert await hub.until_rows(chat, 1) == [("bruno", "by webhook")]
    with pytest.raises(errors.NotGenuineError):
        await connector.receive(Post({"x-telegram-bot-api-secret-token": "forged"}, receiver.bodies[0]))
    with pytest.raises(errors.MalformedError):
        await connector.receive(Post(post.headers, b"[]"))
    assert len(await hub.rows(chat)) == 1
    receiver.close()
