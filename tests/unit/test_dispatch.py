"""What leaves the app, through the real router on real engines: plans, delivery rows, outbound records, receipts."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chat4all.directory.channels import ConnectorRow, Link, LinkState
from chat4all.directory.port import Conversation, Notice, Role, User
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.log.embedded import EmbeddedLog
from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, EVENTS, Entry, Topic, outbound_topic
from chat4all.model import ids, outbound, records
from chat4all.model.delivery import State
from chat4all.model.outbound import AnyOutbound, DeliveryKey
from chat4all.realtime.embedded import EmbeddedRealtime
from chat4all.routing.dispatch import Dispatch
from chat4all.routing.router import Router, RoutingSettings
from chat4all.store.embedded.ledger import EmbeddedLedger
from chat4all.store.embedded.store import EmbeddedStore
from chat4all.telemetry.metrics import Metrics

TG = "local.telegram"
CHAT = ids.new_id()


class Hub:
    """One router on SQLite; ana is an agent, bruno and clara are on Telegram, eva has blocked us."""

    def __init__(self, folder: Path) -> None:
        self.log = EmbeddedLog(folder / "log.db", synchronous="OFF")
        self.store = EmbeddedStore(folder / "store.db", synchronous="OFF")
        self.ledger = EmbeddedLedger(folder / "ledger.db", synchronous="OFF")
        self._sql = Sql.in_file(folder / "directory.db")
        self.directory, self.channels = SqlDirectory(self._sql), SqlChannels(self._sql)
        self.realtime = EmbeddedRealtime()
        self.router = self.new_router()

    def new_router(self) -> Router:
        dispatch = Dispatch(
            log=self.log, store=self.store, ledger=self.ledger, directory=self.directory, channels=self.channels
        )
        return Router(
            log=self.log,
            store=self.store,
            directory=self.directory,
            realtime=self.realtime,
            dispatch=dispatch,
            metrics=Metrics(),
            epoch=1,
            settings=RoutingSettings(poll_seconds=0.05),
        )

    async def open(self) -> None:
        for engine in (self.log, self.store, self.ledger, self._sql):
            await engine.open()
        await self.log.create([Topic(name, 1, 1e9) for name in (CONVERSATIONS, EVENTS, DEAD_LETTERS)])
        for name, role in (("ana", Role.AGENT), ("bruno", Role.USER), ("clara", Role.USER), ("eva", Role.USER)):
            await self.directory.add_user(User(username=name, role=role, display_name=name.capitalize()))
        await self.channels.put_connector(
            ConnectorRow(uid="7", name=TG, channel="telegram", managed_by="file", spec={"channel": "telegram"})
        )
        for name in ("bruno", "clara", "eva"):
            state = LinkState.UNREACHABLE if name == "eva" else LinkState.LINKED
            reason = "Blocked" if name == "eva" else None
            await self.channels.add_link(
                Link(
                    link_id=f"link of {name}",
                    username=name,
                    channel="telegram",
                    connector=TG,
                    external_id=name,
                    chat=f"chat of {name}",
                    state=state,
                    reason=reason,
                )
            )

    async def close(self) -> None:
        await self.router._consumer.close()
        for engine in (self.log, self.store, self.ledger, self._sql):
            await engine.close()

    async def talk(self, *members: str) -> None:
        made = Conversation(
            conversation_id=CHAT, type="group", created_by="ana", created_at=1, metadata={}, members=members
        )
        await self.directory.add_conversation(made, [])

    async def say(self, record: records.Record) -> str:
        await self.log.append([Entry(CONVERSATIONS, CHAT.encode(), records.encode(record))])
        return record.id

    async def message(self, text: str = "Hello", **more: Any) -> str:
        usual: dict[str, Any] = {"sender_id": "ana", "content": text, **more}
        return await self.say(records.Message(id=ids.new_id(), conversation_id=CHAT, **usual))

    async def route(self) -> None:
        """Until there is nothing left to be routed."""
        while await self.router.turn():
            pass

    async def out(self) -> list[AnyOutbound]:
        """What the connector finds to be sent, in the order of each chat."""
        if not await self.log.partitions(outbound_topic(TG).name):
            return []
        consumer = self.log.consumer(ids.new_id(), outbound_topic(TG).name)
        found: list[AnyOutbound] = []
        while batches := await consumer.poll(max_records=1000, timeout=0.05):
            found += [msgspec.json.decode(one.value, type=AnyOutbound) for batch in batches for one in batch.records]
        await consumer.close()
        return sorted(found, key=lambda one: one.recipient)

    async def states(self, message: str) -> list[tuple[str, int, State | None, str]]:
        rows = (await self.ledger.deliveries([message])).get(message, [])
        return [(one.key.recipient, one.key.generation, one.state, one.reason) for one in rows]

    async def told(self, message: str, recipient: str, state: State, generation: int = 0, **more: Any) -> None:
        """A connector tells."""
        key = DeliveryKey(record_id=message, recipient=recipient, link=f"link of {recipient}", generation=generation)
        await self.say(
            records.DeliveryReceipt(
                id=ids.new_id(),
                conversation_id=CHAT,
                message_id=message,
                delivery=key,
                connector=TG,
                destination=f"chat of {recipient}",
                state=state,
                at=1_800_000_000_000,
                **more,
            )
        )


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    made = Hub(tmp_path)
    await made.open()
    yield made
    await made.close()


async def test_a_message_goes_to_those_who_are_elsewhere(hub: Hub) -> None:
    await hub.talk("ana", "bruno")
    message = await hub.message("Olá 👋")
    await hub.route()
    (one,) = await hub.out()
    assert isinstance(one, outbound.OutboundSend)
    assert (one.text, one.destination, one.message_id, one.conversation_id) == (
        "Olá 👋",
        "chat of bruno",
        message,
        CHAT,
    )
    assert await hub.states(message) == [("bruno", 0, State.ACCEPTED, "")]


async def test_with_the_sender_s_name_where_several_are(hub: Hub) -> None:
    await hub.talk("ana", "bruno", "clara")
    await hub.message("hi", sender_id="bruno")
    await hub.route()
    assert [(one.recipient, one.text) for one in await hub.out() if isinstance(one, outbound.OutboundSend)] == [
        ("clara", "Bruno: hi")
    ]


async def test_what_is_for_the_app_stays_there(hub: Hub) -> None:
    await hub.talk("ana", "bruno")
    message = await hub.message(channels=("app",))
    await hub.route()
    assert await hub.out() == []
    assert await hub.states(message) == []
    assert await hub.ledger.plans([message]) == {}


async def test_who_cannot_be_reached_is_said_at_once(hub: Hub) -> None:
    await hub.talk("ana", "eva")
    message = await hub.message(channels=("telegram", "whatsapp"))
    await hub.route()
    assert await hub.out() == []
    assert await hub.states(message) == [
        ("eva", 0, State.FAILED, "NoLink"),
        ("eva", 0, State.FAILED, "Blocked"),
    ]
    told = [(one.what, one.who, one.detail) for one in await hub.store.timeline(message) if one.what == "failed"]
    assert sorted(told) == [("failed", "eva", "local.telegram, Blocked"), ("failed", "eva", "whatsapp, NoLink")]


async def test_a_reply_says_what_it_answers(hub: Hub) -> None:
    await hub.talk("ana", "bruno")
    question = await hub.message("?", sender_id="bruno")
    await hub.message("!", reply_to=question)
    await hub.route()
    (one,) = await hub.out()
    assert isinstance(one, outbound.OutboundSend)
    assert one.answers == question


async def test_edits_and_deletes_follow_the_message(hub: Hub) -> None:
    await hub.talk("ana", "bruno")
    message = await hub.message("Helo")
    place: dict[str, Any] = {"conversation_id": CHAT, "sender_id": "ana", "target_id": message}
    edit = await hub.say(records.Edit(id=ids.new_id(), content="Hello", **place))
    delete = await hub.say(records.Delete(id=ids.new_id(), **place))
    await hub.route()
    send, edited, deleted = await hub.out()
    assert isinstance(send, outbound.OutboundSend)
    assert isinstance(edited, outbound.OutboundEdit)
    assert isinstance(deleted, outbound.OutboundDelete)
    assert (edited.text, edited.record_id, edited.message_id) == ("Hello", edit, message)
    assert (deleted.record_id, deleted.message_id) == (delete, message)
    assert await hub.states(edit) == [("bruno", 0, State.ACCEPTED, "")]


async def test_an_edit_of_what_stayed_in_the_app_goes_nowhere(hub: Hub) -> None:
    await hub.talk("ana", "bruno")
    message = await hub.message("x", channels=("app",))
    place: dict[str, Any] = {"conversation_id": CHAT, "sender_id": "ana", "target_id": message}
    await hub.say(records.Edit(id=ids.new_id(), content="y", **place))
    await hub.route()
    assert await hub.out() == []


async def test_what_connectors_tell_is_kept_and_stands_in_the_timeline(hub: Hub) -> None:
    await hub.talk("ana", "bruno")
    message = await hub.message()
    await hub.told(message, "bruno", State.SENT, parts=1, doubts=1)
    await hub.told(message, "bruno", State.READ)
    await hub.told(message, "bruno", State.FAILED, reason="Blocked")
    await hub.route()
    assert await hub.states(message) == [("bruno", 0, State.READ, "Blocked")]
    told = [(one.what, one.who, one.detail) for one in await hub.store.timeline(message)]
    assert told == [
        ("accepted", "ana", "seq 1"),
        ("sent", "bruno", "local.telegram, 1 attempt in doubt"),
        ("read", "bruno", "local.telegram"),
        ("failed", "bruno", "local.telegram, Blocked"),
    ]


async def test_a_retry_sends_again_what_has_failed(hub: Hub) -> None:
    await hub.talk("ana", "bruno", "clara")
    message = await hub.message()
    await hub.told(message, "bruno", State.FAILED, reason="Rejected")
    await hub.told(message, "clara", State.SENT)
    await hub.say(records.Retry(id=ids.new_id(), conversation_id=CHAT, message_id=message, user_id="ana"))
    await hub.route()
    sends = [(one.recipient, one.generation) for one in await hub.out()]
    assert sends == [("bruno", 0), ("bruno", 1), ("clara", 0)]
    assert await hub.states(message) == [
        ("bruno", 0, State.FAILED, "Rejected"),
        ("bruno", 1, State.ACCEPTED, ""),
        ("clara", 0, State.SENT, ""),
    ]
    assert [one.who for one in await hub.store.timeline(message) if one.what == "retried"] == ["ana"]
    await hub.told(message, "bruno", State.SENT, generation=1)
    await hub.route()
    assert (await hub.states(message))[1] == ("bruno", 1, State.SENT, "")


async def test_edits_and_deletes_follow_a_retry(hub: Hub) -> None:
    await hub.talk("ana", "bruno")
    message = await hub.message("Helo")
    await hub.told(message, "bruno", State.FAILED, reason="Rejected")
    await hub.say(records.Retry(id=ids.new_id(), conversation_id=CHAT, message_id=message, user_id="ana"))
    await hub.route()
    await hub.told(message, "bruno", State.SENT, generation=1)
    place: dict[str, Any] = {"conversation_id": CHAT, "sender_id": "ana", "target_id": message}
    await hub.say(records.Edit(id=ids.new_id(), content="Hello", **place))
    await hub.say(records.Delete(id=ids.new_id(), **place))
    await hub.route()
    changes = [one for one in await hub.out() if isinstance(one, outbound.OutboundEdit | outbound.OutboundDelete)]
    assert [one.sent_generation for one in changes] == [1, 1]


async def test_who_has_left_or_is_not_linked_any_more_gets_nothing_new(hub: Hub) -> None:
    await hub.talk("ana", "bruno", "clara")
    message = await hub.message("for both")
    for name in ("bruno", "clara"):
        await hub.told(message, name, State.FAILED, reason="Rejected")
    await hub.route()
    before = len(await hub.out())
    assert await hub.channels.remove_link("link of bruno", "bruno")
    notice = Notice(topic=EVENTS, key="k", value=b"v")
    await hub.directory.change_members(CHAT, add=[], remove=["clara"], at=2, notice=lambda *_: notice)
    place: dict[str, Any] = {"conversation_id": CHAT, "sender_id": "ana", "target_id": message}
    await hub.say(records.Retry(id=ids.new_id(), conversation_id=CHAT, message_id=message, user_id="ana"))
    await hub.say(records.Edit(id=ids.new_id(), content="for none", **place))
    await hub.route()
    assert len(await hub.out()) == before
    states = [(who, generation, reason) for who, generation, _, reason in await hub.states(message)]
    assert ("bruno", 1, "NoLink") in states
    assert ("clara", 1, "NoLink") in states


async def test_a_retry_towards_a_connector_that_is_gone_says_so(hub: Hub) -> None:
    await hub.talk("ana", "bruno")
    message = await hub.message("hi")
    await hub.told(message, "bruno", State.FAILED, reason="Rejected")
    await hub.route()
    before = len(await hub.out())
    await hub.channels.remove_connector("7")
    await hub.say(records.Retry(id=ids.new_id(), conversation_id=CHAT, message_id=message, user_id="ana"))
    await hub.route()
    assert len(await hub.out()) == before
    assert (await hub.states(message))[-1] == ("bruno", 1, State.FAILED, "ConnectorDeleted")


async def test_a_retry_of_what_was_deleted_sends_nothing(hub: Hub) -> None:
    await hub.talk("ana", "bruno")
    message = await hub.message()
    await hub.told(message, "bruno", State.FAILED, reason="Rejected")
    await hub.say(records.Delete(id=ids.new_id(), conversation_id=CHAT, sender_id="ana", target_id=message))
    await hub.say(records.Retry(id=ids.new_id(), conversation_id=CHAT, message_id=message, user_id="ana"))
    await hub.route()
    assert [type(one) for one in await hub.out()] == [outbound.OutboundSend, outbound.OutboundDelete]


async def test_a_replay_plans_nothing_anew(hub: Hub) -> None:
    """Routed twice, with links that came and went between: the plan is the first one's."""
    await hub.talk("ana", "bruno", "clara")
    message = await hub.message()
    commit = hub.router._consumer.commit

    async def lost(_: object) -> frozenset[Any]:
        return frozenset()

    hub.router._consumer.commit = lost  # type: ignore[method-assign,assignment]
    await hub.router.turn()
    hub.router._consumer.commit = commit  # type: ignore[method-assign]
    first = await hub.ledger.plans([message])
    await hub.router._consumer.close()
    await hub.channels.remove_link("link of clara", "clara")
    hub.router = hub.new_router()
    await hub.route()
    assert await hub.ledger.plans([message]) == first
    sent = [one.recipient for one in await hub.out()]
    assert sent == ["bruno", "bruno", "clara", "clara"], "the connector knows what it has sent"
    assert len(await hub.states(message)) == 2
