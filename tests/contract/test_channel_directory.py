"""What every directory must know of channels: the text of directory/channels.py as tests."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.conftest import PATIENCE

from chat4all.connectors.connector import poll_lease
from chat4all.directory.channels import (
    DISABLED,
    FRESH_REPORT_MS,
    REMOVING,
    ChannelDirectory,
    ConnectorRow,
    InboundOrigin,
    Link,
    LinkState,
    NoSuchMembersError,
    Placement,
    Report,
)
from chat4all.directory.port import AlreadyThereError, Conversation, Directory, Notice, User
from chat4all.directory.settings import DirectorySettings
from chat4all.directory.sql import tables
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.model.ids import contact_name, inbox_id, is_contact, new_id

NOON = 1_800_000_000_000  # ms
WEEK = 7 * 86_400_000
TG = "local.telegram"


class SqliteTwin:
    """SQLite in a file of its own."""

    channels: ChannelDirectory
    directory: Directory

    def __init__(self, path: Path) -> None:
        self._path = path / "directory.db"

    async def open(self) -> None:
        sql = Sql.in_file(self._path, patience=PATIENCE)
        await sql.open()
        self.channels, self.directory, self.close = SqlChannels(sql), SqlDirectory(sql), sql.close


class PostgreSqlTwin:
    """A database on a real server, at SERIALIZABLE; emptied of what the test before has left."""

    channels: ChannelDirectory
    directory: Directory

    def __init__(self, settings: DirectorySettings) -> None:
        self._settings = settings
        self._clean = False

    async def open(self) -> None:
        sql = Sql.at(self._settings, patience=PATIENCE)
        if not self._clean:
            everything = ", ".join(table.name for table in tables.metadata.sorted_tables)
            await sql.write(lambda connection: connection.exec_driver_sql(f"TRUNCATE {everything} CASCADE"))
            self._clean = True
        self.channels, self.directory, self.close = SqlChannels(sql), SqlDirectory(sql), sql.close


Twin = SqliteTwin | PostgreSqlTwin


@pytest.fixture(params=["embedded", pytest.param("postgresql", marks=pytest.mark.engine)])
async def twin(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Twin]:
    made: Twin = SqliteTwin(tmp_path)
    if request.param == "postgresql":
        made = PostgreSqlTwin(request.getfixturevalue("database"))
    await made.open()
    for name in ("ana", "bruno", "clara"):
        await made.directory.add_user(User(username=name))
    yield made
    await made.close()


@pytest.fixture
def channels(twin: Twin) -> ChannelDirectory:
    return twin.channels


def link(username: str = "bruno", external_id: str = "7", **more: Any) -> Link:
    usual = {"channel": "telegram", "connector": TG, "chat": external_id, "created_at": NOON}
    return Link(**{"link_id": new_id(), "username": username, "external_id": external_id, **usual, **more})


def arrival(**more: Any) -> InboundOrigin:
    usual: dict[str, Any] = {
        "connector": TG,
        "channel": "telegram",
        "event_id": new_id(),
        "chat": "7",
        "external_id": "7",
    }
    usual |= {"name": "Bruno Silva", "at": NOON, "since": NOON - WEEK, "inbox": ("ana",)}
    return InboundOrigin(**{**usual, **more})


async def conversation(twin: Twin, *members: str) -> str:
    made = Conversation(
        conversation_id=new_id(), type="group", created_by=members[0], created_at=NOON, metadata={}, members=members
    )
    await twin.directory.add_conversation(made, [])
    return made.conversation_id


# -- connectors


def connector(name: str = TG, **more: Any) -> ConnectorRow:
    spec = {"config": {"mode": "Polling"}, "inbox": {"members": ["ana"]}}
    return ConnectorRow(
        **{"uid": new_id(), "name": name, "channel": "telegram", "managed_by": "file", "spec": spec, **more}
    )


async def test_a_connector_comes_back_as_it_was_put(channels: ChannelDirectory) -> None:
    one = connector()
    await channels.put_connector(one)
    await channels.put_connector(one)
    assert await channels.connector(one.uid) == one
    assert await channels.connectors() == [one]
    assert await channels.connector(new_id()) is None


async def test_putting_it_again_changes_its_spec_and_nothing_else(channels: ChannelDirectory) -> None:
    one = connector()
    await channels.put_connector(one)
    assert await channels.claim_account(one.uid, "42")
    await channels.report(one.uid, report(), {"queue": 1})
    changed = msgspec.structs.replace(one, spec={"state": "Paused"})
    await channels.put_connector(changed)
    found = await channels.connector(one.uid)
    assert found == msgspec.structs.replace(changed, account="42", status={"queue": 1})
    assert found.state == "Paused"


def report(pod: str = "pod-1", **more: Any) -> Report:
    usual: dict[str, Any] = {"at": now(), "role": "receives", "reason": "Connected", "sentence": "It works."}
    return Report(pod=pod, **{**usual, **more})


def now() -> int:
    return time.time_ns() // 1_000_000


TAKE_OVERS = {
    "the same manager": ({}, None),
    "somebody else": ({"managed_by": "operator/a/b"}, f"{TG} is managed by file"),
    "another channel": ({"channel": "pigeon"}, "The channel of a connector stays: telegram, not pigeon"),
}


@pytest.mark.parametrize("case", TAKE_OVERS)
async def test_a_new_uid_takes_over_what_the_same_manager_has(channels: ChannelDirectory, case: str) -> None:
    change, refused = TAKE_OVERS[case]
    old = connector()
    await channels.put_connector(old)
    assert await channels.claim_account(old.uid, "42")
    await channels.add_link(link())
    await channels.report(old.uid, report(), {"queue": 1})
    new = msgspec.structs.replace(old, **{"uid": new_id(), "spec": {"state": "Paused"}, **change})
    if refused is not None:
        with pytest.raises(AlreadyThereError, match=refused):
            await channels.put_connector(new)
        assert await channels.connector(old.uid) == msgspec.structs.replace(old, account="42", status={"queue": 1})
        return
    await channels.put_connector(new)
    assert await channels.connectors() == [msgspec.structs.replace(new, account="42", status={"queue": 1})]
    assert await channels.connector(old.uid) is None
    assert await channels.reports([old.uid, new.uid], since=0) == {old.uid: [], new.uid: []}
    assert not await channels.claim_account(new.uid, "43"), "it has an account"
    assert await channels.claim_account(new.uid, "42")
    assert (await channels.links_of(["bruno"]))["bruno"] != []
    await channels.report(old.uid, report(), {})
    assert await channels.reports([old.uid], since=0) == {old.uid: []}, "its old pods tell nobody any more"


async def test_of_many_who_take_it_over_one_has_it(channels: ChannelDirectory) -> None:
    one = connector()
    await channels.put_connector(one)
    others = [msgspec.structs.replace(one, uid=new_id()) for _ in range(5)]
    await asyncio.gather(*map(channels.put_connector, others))
    (left,) = await channels.connectors()
    assert left in others


async def test_a_connector_is_not_renamed(channels: ChannelDirectory) -> None:
    one, other = connector(), connector("local.other")
    for row in (one, other):
        await channels.put_connector(row)
    for name in ("local.new", other.name):
        with pytest.raises(AlreadyThereError, match=r"The name of a connector stays"):
            await channels.put_connector(msgspec.structs.replace(one, name=name))


async def test_a_state_is_set_and_left_by_putting_it_again(channels: ChannelDirectory) -> None:
    one = connector()
    await channels.put_connector(one)
    await channels.set_state(one.uid, DISABLED, at=NOON)
    found = await channels.connector(one.uid)
    assert found is not None
    assert (found.state, found.disabled_at, found.is_planned) == ("Disabled", NOON, True)
    await channels.set_state(one.uid, REMOVING)
    found = await channels.connector(one.uid)
    assert found is not None
    assert (found.state, found.disabled_at, found.is_planned) == ("Removing", None, False)
    assert found.spec == {**one.spec, "state": "Removing"}
    for uid in (one.uid, new_id()):
        with pytest.raises(AlreadyThereError, match="is being removed"):
            await channels.put_connector(msgspec.structs.replace(one, uid=uid))
    await channels.set_state(one.uid, DISABLED, at=NOON)
    await channels.put_connector(one)
    assert await channels.connector(one.uid) == one
    await channels.set_state(new_id(), DISABLED, at=NOON)
    assert len(await channels.connectors()) == 1


async def test_pods_report_each_for_itself(channels: ChannelDirectory) -> None:
    one, other = connector("a.x"), connector("a.y")
    for row in (one, other):
        await channels.put_connector(row)
    first = report("pod-a", registered=True, authenticated=True, account_name="@x", rate_limited_until=NOON)
    second = report("pod-b", role="sends", unregistered=True)
    for told in (second, first, first):
        await channels.report(one.uid, told, {})
    await channels.report(other.uid, second, {})
    found = await channels.reports([one.uid, other.uid, "nobody"], since=0)
    assert found == {one.uid: [first, second], other.uid: [second], "nobody": []}
    later = msgspec.structs.replace(first, at=first.at + 1, registered=None)
    await channels.report(one.uid, later, {})
    assert await channels.reports([one.uid], since=first.at + 1) == {one.uid: [later]}
    assert await channels.reports([], since=0) == {}
    many = [f"nobody {number}" for number in range(1000)]
    assert await channels.reports([*many, one.uid], since=later.at) == {**{uid: [] for uid in many}, one.uid: [later]}
    assert await channels.remove_connector(one.uid)
    assert await channels.reports([one.uid, other.uid], since=0) == {one.uid: [], other.uid: [second]}


async def test_reports_of_pods_that_are_gone_are_forgotten(channels: ChannelDirectory) -> None:
    one = connector()
    await channels.put_connector(one)
    old = report("pod-old", at=now() - FRESH_REPORT_MS - 1)
    await channels.report(one.uid, old, {})
    assert await channels.reports([one.uid], since=0) == {one.uid: [old]}
    await channels.report(one.uid, fresh := report("pod-new"), {})
    assert await channels.reports([one.uid], since=0) == {one.uid: [fresh]}
    await channels.forget_reports(before=fresh.at)
    assert await channels.reports([one.uid], since=0) == {one.uid: [fresh]}
    await channels.forget_reports(before=fresh.at + 1)
    assert await channels.reports([one.uid], since=0) == {one.uid: []}


# Who reports, in this order, as (pod, role, seconds ago), and whose status people see.
STATUSES = {
    "the only one": ([("a", "sends", 0)], "a"),
    "of two that do not receive the last": ([("a", "sends", 0), ("b", "sends", 0)], "b"),
    "the one that receives": ([("a", "receives", 0), ("b", "sends", 0)], "a"),
    "another, once the one that received is gone": ([("a", "receives", 91), ("b", "sends", 0)], "b"),
    "of two that receive the last": ([("a", "receives", 0), ("b", "receives", 0)], "b"),
    "one that received, and does not any more": ([("a", "receives", 0), ("a", "sends", 0)], "a"),
}


@pytest.mark.parametrize("case", STATUSES)
async def test_people_see_the_status_of_the_pod_that_receives(channels: ChannelDirectory, case: str) -> None:
    told, shown = STATUSES[case]
    one = connector()
    await channels.put_connector(one)
    for number, (pod, role, ago) in enumerate(told):
        at = now() - ago * 1000
        await channels.report(one.uid, report(pod, at=at, role=role), {"pod": pod, "number": number})
    found = await channels.connector(one.uid)
    assert found is not None
    assert found.status["pod"] == shown


async def test_many_pods_report_at_once(channels: ChannelDirectory) -> None:
    one = connector()
    await channels.put_connector(one)
    pods = [f"pod-{number}" for number in range(8)]
    await asyncio.gather(*(channels.report(one.uid, report(pod), {}) for pod in pods))
    assert [each.pod for each in (await channels.reports([one.uid], since=0))[one.uid]] == pods


async def test_the_longest_names_there_are(twin: Twin) -> None:
    """A namespace of 63 characters, a name of 40, a pod of 253: everything that is named after them."""
    channels, name, uid = twin.channels, f"{'n' * 63}.{'c' * 40}", "u" * 64
    manager, person, pod = "m" * 128, "9" * 128, "p" * 253
    one = connector(name, uid=uid, managed_by=manager, channel="c" * 31)
    await channels.put_connector(one)
    assert await channels.claim_account(uid, "a" * 128)
    await channels.report(uid, told := report(pod), {})
    assert await channels.reports([uid], since=0) == {uid: [told]}
    here = {"connector": name, "channel": "c" * 31}
    placed = await channels.place(arrival(event_id="e" * 128, chat=person, external_id=person, **here), None)
    assert is_contact(placed.username)
    await channels.reached(name, person, placed.conversation_id, NOON)
    await channels.add_link(link("bruno", person, **here))
    lease = poll_lease(uid)
    assert lease != poll_lease("u" * 63 + "v")
    assert await twin.directory.lease(lease, "h" * 64, seconds=60)
    assert await channels.connector(uid) == msgspec.structs.replace(one, account="a" * 128)


async def test_an_account_belongs_to_one_connector_of_a_channel(channels: ChannelDirectory) -> None:
    first, second, other = connector("a.x"), connector("a.y"), connector("a.z", channel="pigeon")
    for one in (first, second, other):
        await channels.put_connector(one)
    assert await channels.claim_account(first.uid, "42")
    assert await channels.claim_account(first.uid, "42"), "its own, again"
    assert not await channels.claim_account(second.uid, "42")
    assert not await channels.claim_account(first.uid, "43"), "it is another's now"
    assert await channels.claim_account(other.uid, "42"), "another channel's"
    assert not await channels.claim_account(new_id(), "43"), "nobody's"
    assert await channels.remove_connector(first.uid)
    assert await channels.claim_account(second.uid, "42")
    assert not await channels.remove_connector(first.uid)


# -- links


async def test_links_come_back_by_user(channels: ChannelDirectory) -> None:
    first, second = link(), link(external_id="8", created_at=NOON + 1)
    await channels.add_link(second)
    await channels.add_link(first)
    assert await channels.links_of(["bruno", "clara"]) == {"bruno": [first, second], "clara": []}
    assert await channels.links_of([]) == {}


async def test_a_person_is_linked_to_one_user(channels: ChannelDirectory) -> None:
    await channels.add_link(link())
    for state in (LinkState.LINKED, LinkState.PENDING):
        with pytest.raises(AlreadyThereError):
            await channels.add_link(link("clara", state=state))
    await channels.add_link(link("clara", connector="local.other"))


async def test_of_many_who_link_a_person_one_does(channels: ChannelDirectory) -> None:
    links = [link(name) for name in ("ana", "bruno", "clara")]
    done = await asyncio.gather(*(channels.add_link(one) for one in links), return_exceptions=True)
    assert [type(one) for one in done].count(type(None)) == 1


async def test_a_claim_is_nothing_until_it_is_proven_by_the_person_himself(channels: ChannelDirectory) -> None:
    claim = link(state=LinkState.PENDING, code="CODE42")
    await channels.add_link(claim)
    assert await channels.prove_link(TG, "7", "CODE43", since=0) is None, "a wrong code"
    assert await channels.prove_link(TG, "8", "CODE42", since=0) is None, "another person"
    assert await channels.prove_link("local.other", "7", "CODE42", since=0) is None, "at another connector"
    placed = await channels.place(arrival(), None)
    assert is_contact(placed.username), "whoever has claimed bruno is not bruno"
    proven = msgspec.structs.replace(claim, state=LinkState.LINKED, code=None)
    assert await channels.prove_link(TG, "7", "CODE42", since=0) == proven
    assert await channels.prove_link(TG, "7", "CODE42", since=0) is None, "once"
    assert (await channels.links_of(["bruno", placed.username])) == {"bruno": [proven], placed.username: []}
    assert (await channels.place(arrival(), None)).username == "bruno"


async def test_a_claim_that_names_nobody_is_of_whoever_shows_the_code(channels: ChannelDirectory) -> None:
    claim = link(external_id="", state=LinkState.PENDING, code="CODE42")
    await channels.add_link(claim)
    await channels.add_link(link("clara", external_id="", state=LinkState.PENDING, code="CODE43"))
    assert await channels.prove_link("local.other", "7", "CODE42", since=0) is None
    proven = msgspec.structs.replace(claim, state=LinkState.LINKED, code=None, external_id="7", chat="7")
    assert await channels.prove_link(TG, "7", "CODE42", since=0) == proven
    assert await channels.prove_link(TG, "7", "CODE43", since=0) is None, "this person is bruno already"
    assert (await channels.place(arrival(), None)).username == "bruno"
    assert await channels.link(claim.link_id) == proven
    assert await channels.link(new_id()) is None


async def test_who_proves_it_ends_what_others_claim(channels: ChannelDirectory) -> None:
    await channels.add_link(link("clara", state=LinkState.PENDING, code="WRONG"))
    await channels.add_link(link("bruno", state=LinkState.PENDING, code="RIGHT"))
    assert await channels.prove_link(TG, "7", "RIGHT", since=0) is not None
    assert (await channels.links_of(["clara"]))["clara"] == []


async def test_the_same_claim_twice_is_refused(channels: ChannelDirectory) -> None:
    await channels.add_link(link(state=LinkState.PENDING, code="A"))
    with pytest.raises(AlreadyThereError):
        await channels.add_link(link(state=LinkState.PENDING, code="B"))


async def test_a_link_is_removed_by_its_own_user_only(channels: ChannelDirectory) -> None:
    one = link()
    await channels.add_link(one)
    assert not await channels.remove_link(one.link_id, "clara")
    assert await channels.remove_link(one.link_id, "bruno")
    assert not await channels.remove_link(one.link_id, "bruno")


async def test_who_cannot_be_reached_is_marked_until_he_can(channels: ChannelDirectory) -> None:
    one = link()
    await channels.add_link(one)
    marked = msgspec.structs.replace(one, state=LinkState.UNREACHABLE, reason="Blocked")
    assert await channels.set_reachable(TG, "7", reachable=False, reason="Blocked") == [marked]
    assert await channels.set_reachable(TG, "7", reachable=False, reason="Blocked") == []
    assert (await channels.links_of(["bruno"]))["bruno"] == [marked]
    assert await channels.set_reachable(TG, "7", reachable=True, reason="") == [one]
    await channels.set_reachable(TG, "7", reachable=False, reason="Deactivated")
    await channels.place(arrival(), None)
    assert (await channels.links_of(["bruno"]))["bruno"] == [one], "who writes is there"


async def test_what_is_told_again_of_him_changes_nothing(channels: ChannelDirectory) -> None:
    one = link()
    await channels.add_link(one)
    blocked, back = ("event 1", NOON), ("event 2", NOON + 1)
    assert await channels.set_reachable(TG, "7", reachable=False, reason="Blocked", event=blocked) != []
    assert await channels.set_reachable(TG, "7", reachable=True, reason="", event=back) == [one]
    assert await channels.set_reachable(TG, "7", reachable=False, reason="Blocked", event=blocked) == []
    assert (await channels.links_of(["bruno"]))["bruno"] == [one]


async def test_old_events_are_forgotten(channels: ChannelDirectory) -> None:
    for name in ("group 7", "which 7 1", "standing 9"):
        assert await channels.first_time(TG, name, NOON)
    await channels.forget_events(before=NOON)
    assert not await channels.first_time(TG, "standing 9", NOON)
    await channels.forget_events(before=NOON + 1)
    again = [await channels.first_time(TG, name, NOON) for name in ("group 7", "which 7 1", "standing 9")]
    assert again == [False, True, True]


async def test_a_code_is_good_for_a_while(channels: ChannelDirectory) -> None:
    await channels.add_link(link(state=LinkState.PENDING, code="A"))
    assert await channels.prove_link(TG, "7", "A", since=NOON + 1) is None
    assert await channels.prove_link(TG, "7", "A", since=NOON) is not None


async def test_a_link_takes_the_place_of_one_s_own_claim(channels: ChannelDirectory) -> None:
    await channels.add_link(link(state=LinkState.PENDING, code="A"))
    direct = link()
    await channels.add_link(direct)
    assert (await channels.links_of(["bruno"]))["bruno"] == [direct]


async def test_whoever_is_linked_later_does_not_see_what_the_contact_said(twin: Twin) -> None:
    before = await twin.channels.place(arrival(), None)
    await twin.channels.add_link(link())
    after = await twin.channels.place(arrival(), None)
    assert after.username == "bruno"
    assert after.conversation_id != before.conversation_id
    held = await twin.directory.conversation(before.conversation_id)
    assert held is not None
    assert "bruno" not in held.members


async def test_a_claim_is_not_marked(channels: ChannelDirectory) -> None:
    await channels.add_link(link(state=LinkState.PENDING, code="A"))
    assert await channels.set_reachable(TG, "7", reachable=False, reason="Blocked") == []


# -- what people write


async def test_somebody_unknown_becomes_a_contact_in_the_inbox(twin: Twin) -> None:
    notice = Notice(topic="events", key="k", value=b"created")
    placed = await twin.channels.place(arrival(inbox=("ana", "clara")), lambda _: notice)
    assert placed == Placement(conversation_id=inbox_id(TG, "7", contact_name(TG, "7")), username=contact_name(TG, "7"))
    made = await twin.directory.conversation(placed.conversation_id)
    assert made is not None
    assert made.members == (placed.username, "ana", "clara")
    assert made.metadata == {"channel": "telegram", "connector": TG}
    user = await twin.directory.user(placed.username)
    assert user is not None
    assert (user.display_name, user.password_hash) == ("Bruno Silva", None)
    assert [row.notice for row in await twin.directory.outbox(limit=10)] == [notice]
    again = await twin.channels.place(arrival(), lambda _: notice)
    assert again == placed, "the same conversation"
    assert len(await twin.directory.outbox(limit=10)) == 1, "and it was made once"


async def test_an_event_is_placed_once_whatever_happens_meanwhile(twin: Twin) -> None:
    event = arrival()
    first = await twin.channels.place(event, None)
    await twin.channels.add_link(link())
    chat = await conversation(twin, "ana", "bruno")
    await twin.channels.reached(TG, "7", chat, NOON)
    again = await twin.channels.place(msgspec.structs.replace(event, quoted=chat), None)
    assert again == msgspec.structs.replace(first, repeated=True)


async def test_of_many_at_once_all_get_the_same(channels: ChannelDirectory) -> None:
    event = arrival()
    answers = await asyncio.gather(*(channels.place(event, None) for _ in range(10)))
    assert {(one.conversation_id, one.username) for one in answers} == {
        (inbox_id(TG, "7", contact_name(TG, "7")), contact_name(TG, "7"))
    }
    assert [one.repeated for one in answers].count(False) == 1


async def test_a_quote_says_which_conversation(twin: Twin) -> None:
    await twin.channels.add_link(link())
    first, second = await conversation(twin, "ana", "bruno"), await conversation(twin, "clara", "bruno")
    await twin.channels.reached(TG, "7", first, NOON)
    await twin.channels.reached(TG, "7", second, NOON)
    placed = await twin.channels.place(arrival(quoted=second), None)
    assert placed == Placement(conversation_id=second, username="bruno")


async def test_a_quote_from_a_conversation_that_he_is_not_in_says_nothing(twin: Twin) -> None:
    await twin.channels.add_link(link())
    mine, theirs = await conversation(twin, "ana", "bruno"), await conversation(twin, "ana", "clara")
    await twin.channels.reached(TG, "7", mine, NOON)
    assert (await twin.channels.place(arrival(quoted=theirs), None)).conversation_id == mine


async def test_the_one_that_reached_him_lately_is_meant(twin: Twin) -> None:
    await twin.channels.add_link(link())
    old, new, elsewhere = [await conversation(twin, "ana", "bruno") for _ in range(3)]
    await twin.channels.reached(TG, "7", old, NOON - WEEK - 1)
    await twin.channels.reached(TG, "7", new, NOON - WEEK)
    await twin.channels.reached(TG, "8", elsewhere, NOON)
    await twin.channels.reached("local.other", "7", elsewhere, NOON)
    assert await twin.channels.place(arrival(), None) == Placement(conversation_id=new, username="bruno")


async def test_where_several_did_it_goes_to_the_inbox_and_he_is_told(twin: Twin) -> None:
    await twin.channels.add_link(link())
    for _ in range(2):
        await twin.channels.reached(TG, "7", await conversation(twin, "ana", "bruno"), NOON)
    placed = await twin.channels.place(arrival(), None)
    assert placed == Placement(conversation_id=inbox_id(TG, "7", "bruno"), username="bruno", ambiguous=True)


async def test_one_that_he_has_left_is_not_meant(twin: Twin) -> None:
    await twin.channels.add_link(link())
    left = await conversation(twin, "ana", "bruno")
    await twin.channels.reached(TG, "7", left, NOON)
    none = Notice(topic="t", key="k", value=b"")
    await twin.directory.change_members(left, add=[], remove=["bruno"], at=NOON, notice=lambda *_: none)
    assert (await twin.channels.place(arrival(), None)).conversation_id == inbox_id(TG, "7", "bruno")


async def test_it_is_known_who_a_person_is(channels: ChannelDirectory) -> None:
    assert await channels.user_of(TG, "7") is None
    await channels.add_link(link(state=LinkState.PENDING, code="A"))
    assert await channels.user_of(TG, "7") is None
    await channels.place(arrival(), None)
    assert await channels.user_of(TG, "7") == contact_name(TG, "7")


async def test_something_happens_for_the_first_time_once(channels: ChannelDirectory) -> None:
    answers = await asyncio.gather(*(channels.first_time(TG, "group -5", NOON) for _ in range(10)))
    assert answers.count(True) == 1
    assert await channels.first_time("local.other", "group -5", NOON)


async def test_reaching_only_moves_forward(twin: Twin) -> None:
    await twin.channels.add_link(link())
    chat = await conversation(twin, "ana", "bruno")
    await twin.channels.reached(TG, "7", chat, NOON)
    await twin.channels.reached(TG, "7", chat, NOON - 2 * WEEK)
    assert (await twin.channels.place(arrival(), None)).conversation_id == chat


async def test_an_inbox_of_nobody_is_refused_and_nothing_is_kept(twin: Twin) -> None:
    event = arrival(inbox=("ana", "nobody"))
    with pytest.raises(NoSuchMembersError) as refused:
        await twin.channels.place(event, None)
    assert refused.value.usernames == ("nobody",)
    assert await twin.directory.user(contact_name(TG, "7")) is None
    assert not (await twin.channels.place(msgspec.structs.replace(event, inbox=("ana",)), None)).repeated


async def test_what_was_written_is_there_after_a_new_start(twin: Twin) -> None:
    one, event = connector(), arrival()
    await twin.channels.put_connector(one)
    await twin.channels.add_link(link("clara", external_id="9"))
    placed = await twin.channels.place(event, None)
    await twin.close()
    await twin.open()
    assert await twin.channels.connectors() == [one]
    assert len((await twin.channels.links_of(["clara"]))["clara"]) == 1
    assert await twin.channels.place(event, None) == msgspec.structs.replace(placed, repeated=True)
