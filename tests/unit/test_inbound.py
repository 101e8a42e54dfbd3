"""What people write becomes records of the conversations it belongs to; told again it makes nothing new."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.refusing import refusing

from chat4all.channels.kit.events import Group, Person, Progress, Received, Revised, Standing, Unsupported
from chat4all.connectors.inbound import Inbound
from chat4all.directory.channels import Link, LinkState, NoSuchMembersError
from chat4all.directory.port import Conversation, User
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.log.embedded import EmbeddedLog
from chat4all.log.port import CONVERSATIONS, Topic
from chat4all.model import records
from chat4all.model.delivery import State
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.ids import contact_name, inbound_id, inbox_id, new_id
from chat4all.model.outbound import DeliveryKey, ExternalMessage
from chat4all.store.embedded.ledger import EmbeddedLedger
from chat4all.telemetry.metrics import Metrics

TG = "local.telegram"
NOON = 1_800_000_000_000  # ms
BRUNO = Person(external_id="7", name="Bruno Silva")


class Desk:
    """The inbound side of a connector, on real engines."""

    def __init__(self, folder: Path) -> None:
        self.log = EmbeddedLog(folder / "log.db", synchronous="OFF")
        self.ledger = EmbeddedLedger(folder / "ledger.db", synchronous="OFF")
        self.sql = Sql.in_file(folder / "directory.db")
        self.directory, self.channels = SqlDirectory(self.sql), SqlChannels(self.sql)
        self.said: list[tuple[str, str]] = []
        self.inbound = self.new_inbound("ana")

    def new_inbound(self, *inbox: str) -> Inbound:
        return Inbound(
            connector=TG,
            channel="telegram",
            inbox=inbox,
            channels=self.channels,
            ledger=self.ledger,
            log=self.log,
            reply=self._say,
            on_outbox_change=lambda: None,
            metrics=Metrics(),
        )

    async def _say(self, chat: str, text: str) -> None:
        self.said.append((chat, text))

    async def open(self) -> None:
        for engine in (self.log, self.ledger, self.sql):
            await engine.open()
        await self.log.create([Topic(CONVERSATIONS, 1, 1e9)])
        for name in ("ana", "bruno"):
            await self.directory.add_user(User(username=name))

    async def close(self) -> None:
        for engine in (self.log, self.ledger, self.sql):
            await engine.close()

    async def link(self, **more: Any) -> None:
        usual: dict[str, Any] = {"link_id": new_id(), "username": "bruno", "channel": "telegram", "connector": TG}
        await self.channels.add_link(Link(**{**usual, "external_id": "7", "chat": "7", **more}))

    async def conversation(self) -> str:
        made = Conversation(
            conversation_id=new_id(),
            type="group",
            created_by="ana",
            created_at=1,
            metadata={},
            members=("ana", "bruno"),
        )
        await self.directory.add_conversation(made, [])
        return made.conversation_id

    async def records(self) -> list[Any]:
        consumer = self.log.consumer(new_id(), CONVERSATIONS)
        found: list[Any] = []
        while batches := await consumer.poll(max_records=1000, timeout=0.05):
            found += [records.decode(one.key, one.value) for batch in batches for one in batch.records]
        await consumer.close()
        return found


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    await made.open()
    yield made
    await made.close()


def received(text: str = "hello", **more: Any) -> Received:
    usual: dict[str, Any] = {"event_id": new_id(), "chat": "7", "at": NOON, "sender": BRUNO, "external_id": "12"}
    return Received(**{**usual, "text": text, **more})


async def test_somebody_unknown_writes_as_a_contact_into_the_inbox(desk: Desk) -> None:
    event = received("Olá 👋")
    await desk.inbound.take([event])
    (record,) = await desk.records()
    assert record == records.Message(
        id=inbound_id(TG, event.event_id),
        conversation_id=inbox_id(TG, "7", contact_name(TG, "7")),
        sender_id=contact_name(TG, "7"),
        keyed=True,
        content="Olá 👋",
    )


async def test_the_same_event_again_is_the_same_record(desk: Desk) -> None:
    event = received()
    for _ in range(50):
        await desk.inbound.take([event])
    assert len({one.id for one in await desk.records()}) == 1
    assert all(one.keyed for one in await desk.records()), "the router knows repeats by their id"


async def test_what_the_log_does_not_take_is_taken_when_it_is_told_again(desk: Desk) -> None:
    event = received()
    revised = Revised(event_id=new_id(), chat="7", at=NOON + 1, sender=BRUNO, external_id="12", text="changed")
    for one in (event, revised):
        for _ in range(2):
            async with refusing(desk.log._database):
                with pytest.raises(EngineUnavailableError):
                    await desk.inbound.take([one])
        await desk.inbound.take([one])
    message, edit = await desk.records()
    assert (message.content, edit.target_id, edit.content) == ("hello", message.id, "changed")


async def test_a_receipt_that_the_log_does_not_take_is_told_on_later(desk: Desk) -> None:
    """The provider tells it once: what was kept of it stays until it is in the log."""
    delivery = DeliveryKey(record_id="m", recipient="bruno", link="l")
    known: dict[str, Any] = {"connector": TG, "chat": "7", "external_id": "9", "conversation_id": "c"}
    await desk.ledger.put_external([ExternalMessage(**known, message_id="m", delivery=delivery)])
    read = Progress(event_id=new_id(), chat="7", at=NOON, external_id="9", state=State.READ)
    async with refusing(desk.log._database):
        with pytest.raises(EngineUnavailableError):
            await desk.inbound.take([read])
        with pytest.raises(EngineUnavailableError):
            await desk.inbound.early.sweep(NOON)
    await desk.inbound.early.sweep(NOON)
    assert [(one.message_id, one.state) for one in await desk.records()] == [("m", State.READ)]


async def test_a_quote_says_what_is_answered_and_where(desk: Desk) -> None:
    await desk.link()
    chat, other, message = await desk.conversation(), await desk.conversation(), new_id()
    for one in (chat, other):
        await desk.channels.reached(TG, "7", one, NOON)
    await desk.ledger.put_external(
        [ExternalMessage(connector=TG, chat="7", external_id="9", conversation_id=chat, message_id=message)]
    )
    await desk.inbound.take([received(quotes="9")])
    (record,) = await desk.records()
    assert (record.conversation_id, record.reply_to, record.sender_id) == (chat, message, "bruno")
    assert desk.said == []


async def test_where_it_is_not_clear_he_is_told_once(desk: Desk) -> None:
    await desk.link()
    for _ in range(2):
        await desk.channels.reached(TG, "7", await desk.conversation(), NOON)
    event = received()
    await desk.inbound.take([event])
    await desk.inbound.take([event])
    assert {one.conversation_id for one in await desk.records()} == {inbox_id(TG, "7", "bruno")}
    assert [chat for chat, _ in desk.said] == ["7"]
    assert "quoting" in desk.said[0][1]


async def test_an_edit_changes_what_was_written(desk: Desk) -> None:
    event = received("Helo")
    revised = Revised(event_id=new_id(), chat="7", at=NOON + 1, sender=BRUNO, external_id="12", text="Hello")
    await desk.inbound.take([event, revised, revised])
    first, second, third = await desk.records()
    assert second == third
    assert (second.target_id, second.content, second.sender_id) == (first.id, "Hello", first.sender_id)


async def test_an_edit_of_something_unknown_is_counted(desk: Desk) -> None:
    await desk.inbound.take(
        [Revised(event_id=new_id(), chat="7", at=NOON, sender=BRUNO, external_id="99", text="Hello")]
    )
    assert await desk.records() == []
    assert desk.inbound.unsupported == {"edit of an unknown message": 1}


async def test_a_code_proves_a_link(desk: Desk) -> None:
    await desk.link(state=LinkState.PENDING, code="CODE42", created_at=NOON)
    await desk.inbound.take([received("/start CODE43"), received("/start CODE42"), received("/start CODE42")])
    assert await desk.channels.user_of(TG, "7") == "bruno"
    assert [text.split()[0] for _, text in desk.said] == ["This", "Thank"]
    await desk.inbound.take([received("hi")])
    assert [one.sender_id for one in await desk.records()] == ["bruno"]


async def test_an_old_code_proves_nothing(desk: Desk) -> None:
    await desk.link(state=LinkState.PENDING, code="CODE42", created_at=NOON - 2 * 3_600_000)
    await desk.inbound.take([received("/start CODE42")])
    assert await desk.channels.user_of(TG, "7") is None


async def test_whoever_starts_can_be_written_to(desk: Desk) -> None:
    await desk.link(state=LinkState.UNREACHABLE, reason="NeverStarted")
    await desk.inbound.take([received("/start")])
    (link,) = (await desk.channels.links_of(["bruno"]))["bruno"]
    assert link.state is LinkState.LINKED


async def test_a_block_that_is_told_again_is_no_news(desk: Desk) -> None:
    await desk.link()
    blocked = Standing(event_id=new_id(), chat="7", at=NOON, sender=BRUNO, reachable=False)
    unblocked = Standing(event_id=new_id(), chat="7", at=NOON + 1, sender=BRUNO, reachable=True)
    await desk.inbound.take([blocked, unblocked, blocked])
    (link,) = (await desk.channels.links_of(["bruno"]))["bruno"]
    assert link.state is LinkState.LINKED


async def test_what_he_means_is_asked_once_a_day(desk: Desk) -> None:
    await desk.link()
    for _ in range(2):
        await desk.channels.reached(TG, "7", await desk.conversation(), NOON)
    await desk.inbound.take([received("one"), received("two"), received("three")])
    assert len(desk.said) == 1


async def test_start_alone_says_nothing(desk: Desk) -> None:
    await desk.inbound.take([received("/start")])
    assert (await desk.records(), desk.said) == ([], [])


async def test_an_edit_that_comes_before_what_it_changes_is_not_lost(desk: Desk) -> None:
    said = received("old")
    edit = Revised(event_id=new_id(), chat="7", at=NOON, sender=BRUNO, external_id=said.external_id, text="new")
    await desk.inbound.take([edit, said])
    assert [one.content for one in await desk.records() if isinstance(one, records.Message | records.Edit)] == [
        "old",
        "new",
    ]


async def test_a_block_is_kept_and_taken_back(desk: Desk) -> None:
    await desk.link()
    for reachable, state in ((False, LinkState.UNREACHABLE), (True, LinkState.LINKED)):
        await desk.inbound.take([Standing(event_id=new_id(), chat="7", at=NOON, sender=BRUNO, reachable=reachable)])
        (link,) = (await desk.channels.links_of(["bruno"]))["bruno"]
        assert link.state == state


async def test_a_block_that_could_not_be_kept_is_kept_when_it_is_told_again(desk: Desk) -> None:
    """That it was told is no reason to leave it alone, while what it says is not kept."""
    await desk.link()
    blocked = Standing(event_id=new_id(), chat="7", at=NOON, sender=BRUNO, reachable=False)
    await desk.sql.write(lambda connection: connection.exec_driver_sql("ALTER TABLE links RENAME TO away"))
    with pytest.raises(EngineUnavailableError):
        await desk.inbound.take([blocked])
    await desk.sql.write(lambda connection: connection.exec_driver_sql("ALTER TABLE away RENAME TO links"))
    await desk.inbound.take([blocked])
    (link,) = (await desk.channels.links_of(["bruno"]))["bruno"]
    assert link.state is LinkState.UNREACHABLE


async def test_a_group_is_answered_once(desk: Desk) -> None:
    await desk.inbound.take([Group(event_id=new_id(), chat="-5", at=NOON) for _ in range(5)])
    await desk.new_inbound("ana").take([Group(event_id=new_id(), chat="-5", at=NOON)])
    assert [chat for chat, _ in desk.said] == ["-5"]
    assert await desk.records() == []


async def test_what_is_not_understood_is_counted_by_kind_and_bounded(desk: Desk) -> None:
    events = [Unsupported(event_id=str(n), chat="", at=0, kind=f"kind {n}") for n in range(200)]
    await desk.inbound.take(events)
    assert len(desk.inbound.unsupported) == 51
    assert desk.inbound.unsupported["other"] == 150


async def test_an_inbox_of_nobody_is_told_and_nothing_is_kept(desk: Desk) -> None:
    with pytest.raises(NoSuchMembersError):
        await desk.new_inbound("nobody").take([received()])
    assert await desk.records() == []
