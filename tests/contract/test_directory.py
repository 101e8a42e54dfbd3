"""What every directory must do, whatever SQL engine it stands on: the text of directory/port.py as tests.

Members are asked of SQL and nowhere else, and what others must hear of a change waits in the outbox of the same
transaction: a change without its notice, or a notice without its change, would split the two truths. Every test makes
names of its own, so that a shared engine serves as well as a fresh file. Another twin is a class like SqliteTwin and
an entry in TWINS; the tests stay as they are.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from tests.contract.conftest import PATIENCE

from chat4all.directory.port import (
    AlreadyThereError,
    Conversation,
    Directory,
    LogEpoch,
    Notice,
    Role,
    UnknownUsersError,
    User,
)
from chat4all.directory.settings import DirectorySettings
from chat4all.directory.sql import tables
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.ids import new_id

NOON = 1_800_000_000_000  # ms


class SqliteTwin:
    """SQLite in a file of its own, and a clock that a test moves. `close` and `open` keep what was written."""

    directory: Directory

    def __init__(self, path: Path) -> None:
        self._path = path / "directory.db"
        self._now = NOON / 1000

    def advance(self, seconds: float) -> None:
        self._now += seconds

    async def open(self) -> None:
        sql = Sql.in_file(self._path, patience=PATIENCE)
        await sql.open()
        self.directory, self.close = SqlDirectory(sql, clock=lambda: self._now), sql.close


class PostgreSqlTwin:
    """A database on a real server, at SERIALIZABLE."""

    directory: Directory

    def __init__(self, settings: DirectorySettings) -> None:
        self._settings = settings
        self._now = NOON / 1000

    def advance(self, seconds: float) -> None:
        self._now += seconds

    async def open(self) -> None:
        sql = Sql.at(self._settings, patience=PATIENCE)
        await sql.open()
        self.directory, self.close = SqlDirectory(sql, clock=lambda: self._now), sql.close


Twin = SqliteTwin | PostgreSqlTwin


@pytest.fixture(params=["embedded", pytest.param("postgresql", marks=pytest.mark.engine)])
async def twin(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Twin]:
    made: Twin = SqliteTwin(tmp_path)
    if request.param == "postgresql":
        made = PostgreSqlTwin(request.getfixturevalue("database"))
    await made.open()
    await made.directory.outbox_done([row.number for row in await made.directory.outbox(limit=10_000)])
    yield made
    await made.close()


@pytest.fixture
def directory(twin: Twin) -> Directory:
    return twin.directory


async def people(directory: Directory, count: int) -> list[str]:
    """So many new users, in the order of their names."""
    names = [f"u{new_id()}-{number:02}" for number in range(count)]
    for name in names:
        await directory.add_user(User(username=name))
    return sorted(names)


def a_conversation(*members: str, **fields: Any) -> Conversation:
    usual: dict[str, Any] = {"conversation_id": new_id(), "type": "group", "created_by": "ana", "created_at": NOON}
    return Conversation(members=members, **(usual | {"metadata": {}} | fields))


def a_notice(value: bytes = b"{}") -> Notice:
    return Notice(topic="chat4all.conversations", key=new_id(), value=value)


async def talk(directory: Directory, *members: str, **fields: Any) -> str:
    """A new conversation, of which nobody hears; its id."""
    conversation = a_conversation(*members, **fields)
    await directory.add_conversation(conversation, [])
    return conversation.conversation_id


async def change(directory: Directory, conversation_id: str, *, add: Any = (), remove: Any = (), at: int = 0) -> bool:
    return await directory.change_members(
        conversation_id,
        add=add,
        remove=remove,
        at=at or NOON + 1,
        notice=lambda *_: a_notice(repr((add, remove)).encode()),
    )


async def waiting(directory: Directory) -> list[Notice]:
    return [row.notice for row in await directory.outbox(limit=1000)]


# -- users


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="as-plain-as-can-be"),
        pytest.param({"role": Role.ADMIN, "email": "joão@exemplo.br", "password_hash": "$argon2id$x"}, id="with-all"),
        pytest.param({"role": Role.SERVICE, "last_seen": NOON}, id="seen-before"),
    ],
)
async def test_a_user_comes_back_as_he_was_added(directory: Directory, fields: dict[str, Any]) -> None:
    user = User(username=f"josé-{new_id()}", **fields)
    await directory.add_user(user)
    assert await directory.user(user.username) == user


async def test_a_username_is_unique_and_exact(directory: Directory) -> None:
    user = User(username=f"ana-{new_id()}", role=Role.AGENT)
    await directory.add_user(user)
    with pytest.raises(AlreadyThereError):
        await directory.add_user(User(username=user.username, email="other@example.org"))
    assert await directory.user(user.username) == user
    for other in (user.username.upper(), user.username[:-1], f"{user.username} ", "ana%", ""):
        assert await directory.user(other) is None


@pytest.mark.parametrize(
    "given",
    [{}, {"role": Role.ADMIN}, {"password_hash": "new"}, {"role": Role.AGENT, "password_hash": "new"}],
    ids=["nothing", "role", "password", "both"],
)
async def test_a_change_of_a_user_changes_only_what_is_given(directory: Directory, given: dict[str, Any]) -> None:
    user = User(username=new_id(), email="a@example.org", password_hash="old", last_seen=NOON)
    await directory.add_user(user)
    expected = msgspec.structs.replace(user, **given)
    given = {"role": None, "password_hash": None} | given
    assert await directory.change_user(user.username, **given) == expected
    assert await directory.user(user.username) == expected
    assert await directory.change_user(new_id(), **given) is None


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        pytest.param("", ["%b", "_a", "a", "a!b", "ana", "anb", "b\\c", "josé", "z", "zé", "z😀", "zz"], id="all"),
        pytest.param("an", ["ana", "anb"], id="some"),
        pytest.param("_", ["_a"], id="underscore-is-a-letter"),
        pytest.param("%", ["%b"], id="percent-is-a-letter"),
        pytest.param("b\\", ["b\\c"], id="backslash-is-a-letter"),
        pytest.param("a!", ["a!b"], id="exclamation-mark-is-a-letter"),
        pytest.param("A", [], id="case-matters"),
        pytest.param("jos", ["josé"], id="before-an-accent"),
        pytest.param("josé", ["josé"], id="whole-name"),
        pytest.param("z", ["z", "zz", "zé", "z😀"], id="whatever-follows"),
        pytest.param("nobody", [], id="nobody"),
    ],
)
async def test_users_are_found_by_how_their_names_begin(directory: Directory, prefix: str, found: list[str]) -> None:
    mine = new_id()
    for name in ["zz", "z", "a", "ana", "anb", "_a", "%b", "b\\c", "a!b", "zé", "z😀", "josé"]:
        await directory.add_user(User(username=mine + name))
    users = await directory.find_users(mine + prefix, after="", limit=100)
    assert {user.username.removeprefix(mine) for user in users} == set(found)


@pytest.mark.parametrize("size", [1, 3, 7, 8])
async def test_users_are_paged_by_name(directory: Directory, size: int) -> None:
    mine = new_id()
    names = [mine + letter for letter in "abcdefg"]
    for name in reversed(names):
        await directory.add_user(User(username=name))
    found, after = [], ""
    while page := await directory.find_users(mine, after=after, limit=size):
        assert len(page) <= size
        found += [user.username for user in page]
        after = found[-1]
    assert found == names
    assert [user.username for user in await directory.find_users(mine, after=f"{mine}c!", limit=1)] == [f"{mine}d"]


async def test_seen_only_moves_forward(directory: Directory) -> None:
    [name] = await people(directory, 1)
    for at, expected in [(NOON, NOON), (NOON - 1, NOON), (NOON + 5, NOON + 5), (NOON, NOON + 5)]:
        await directory.seen(name, at)
        user = await directory.user(name)
        assert user is not None
        assert user.last_seen == expected


# -- conversations


@pytest.mark.parametrize(
    "metadata",
    [{}, {"título": "Olá 👋 \"'\\", "مرحبا": "", "n": "line\nline"}, {"long": "ã" * 5000}],
    ids=["none", "many-scripts", "long"],
)
async def test_a_conversation_comes_back_as_it_was_added(directory: Directory, metadata: dict[str, str]) -> None:
    b, a, c = reversed(await people(directory, 3))
    added = a_conversation(b, c, a, metadata=metadata, created_by=a, type="private")
    notices = [a_notice(b"\x00\xff"), a_notice("são".encode())]
    await directory.add_conversation(added, notices)
    assert await directory.conversation(added.conversation_id) == added
    assert await directory.conversations([added.conversation_id, new_id()]) == {added.conversation_id: added}
    assert await directory.members([added.conversation_id]) == {added.conversation_id: (b, c, a)}
    assert await waiting(directory) == notices


async def test_unknown_members_are_named_and_nothing_is_stored(directory: Directory) -> None:
    [ana] = await people(directory, 1)
    refused = a_conversation("nobody-1", ana, "nobody-2")
    with pytest.raises(UnknownUsersError) as caught:
        await directory.add_conversation(refused, [a_notice()])
    assert sorted(caught.value.usernames) == ["nobody-1", "nobody-2"]
    assert await directory.conversation(refused.conversation_id) is None
    assert not (await directory.conversations_of([ana])).get(ana)
    assert await waiting(directory) == []


async def test_an_id_is_taken_once(directory: Directory) -> None:
    ana, bruno = await people(directory, 2)
    first = a_conversation(ana)
    await directory.add_conversation(first, [])
    with pytest.raises(AlreadyThereError):
        await directory.add_conversation(msgspec.structs.replace(first, members=(bruno,), type="other"), [a_notice()])
    assert await directory.conversation(first.conversation_id) == first
    assert not (await directory.conversations_of([bruno])).get(bruno)
    assert await waiting(directory) == []


async def test_who_is_where_in_one_question(directory: Directory) -> None:
    ana, bruno, eva = await people(directory, 3)
    one, two, empty = await talk(directory, ana, bruno), await talk(directory, bruno), await talk(directory)
    of = await directory.conversations_of({ana, bruno, eva, "nobody"})
    assert {name: set(ids) for name, ids in of.items() if ids} == {ana: {one}, bruno: {one, two}}
    members = await directory.members({one, two, empty, new_id()})
    assert {each: names for each, names in members.items() if names} == {one: (ana, bruno), two: (bruno,)}
    assert (await directory.conversations([one, two, empty])).keys() == {one, two, empty}
    for ask in (directory.conversations_of, directory.conversations, directory.members):
        assert await ask([]) == {}


async def test_many_conversations_in_one_question(directory: Directory) -> None:
    ana, bruno = await people(directory, 2)
    several = [await talk(directory, bruno, ana) for _ in range(150)]
    asked = [*several, *(new_id() for _ in range(1500))]
    members = await directory.members(asked)
    assert {each: names for each, names in members.items() if names} == dict.fromkeys(several, (bruno, ana))
    assert (await directory.conversations(asked)).keys() == set(several)
    assert sorted((await directory.conversations_of([ana]))[ana]) == sorted(several)


async def test_nothing_is_known_of_an_unknown_id(directory: Directory) -> None:
    [ana] = await people(directory, 1)
    assert await directory.conversation(new_id()) is None
    assert await directory.conversations([new_id()]) == {}
    assert not any((await directory.members([new_id()])).values())
    assert not await directory.is_member(new_id(), ana)
    assert await directory.acquaintances(ana, limit=9) == await directory.acquaintances("nobody", limit=9) == []


async def test_acquaintances_share_a_conversation_now(directory: Directory) -> None:
    ana, bruno, eva, ivo, zoe = await people(directory, 5)
    left = await talk(directory, ana, zoe)
    for members in [(ana, bruno, eva), (eva, ana), (bruno, ivo)]:
        await talk(directory, *members)
    await change(directory, left, remove=[zoe])
    assert sorted(await directory.acquaintances(ana, limit=9)) == [bruno, eva]
    assert sorted(await directory.acquaintances(bruno, limit=9)) == [ana, eva, ivo]
    assert await directory.acquaintances(zoe, limit=9) == []
    assert len(await directory.acquaintances(bruno, limit=2)) == 2


# -- members


@pytest.mark.parametrize(
    ("add", "remove", "expected"),
    [
        pytest.param("c", "", "abc", id="add-one"),
        pytest.param("dc", "", "abdc", id="add-in-this-order"),
        pytest.param("cac", "", "abc", id="add-one-twice-and-one-who-is-in"),
        pytest.param("", "a", "b", id="remove-one"),
        pytest.param("", "ab", "", id="remove-all"),
        pytest.param("", "bd", "a", id="remove-one-who-is-in-and-one-who-is-not"),
        pytest.param("c", "a", "bc", id="add-and-remove"),
        pytest.param("a", "", None, id="add-who-is-in"),
        pytest.param("", "cd", None, id="remove-who-is-not"),
        pytest.param("ab", "c", None, id="neither"),
        pytest.param("", "", None, id="nothing-asked"),
    ],
)
async def test_members_come_and_go(directory: Directory, add: str, remove: str, expected: str | None) -> None:
    names = dict(zip("abcd", await people(directory, 4), strict=True))
    where, notice = await talk(directory, names["a"], names["b"]), a_notice(b"\xff\x00")
    done = await directory.change_members(
        where, add=[names[x] for x in add], remove=[names[x] for x in remove], at=NOON + 1, notice=lambda *_: notice
    )
    assert done is (expected is not None)
    assert await waiting(directory) == ([notice] if done else [])
    now = tuple(names[x] for x in ("ab" if expected is None else expected))
    assert (await directory.members([where])).get(where, ()) == now
    found = await directory.conversation(where)
    assert found is not None
    assert found.members == now
    assert [await directory.is_member(where, name) for name in names.values()] == [x in now for x in names.values()]


@pytest.mark.parametrize("later", [0, 1], ids=["in-the-same-millisecond", "one-by-one"])
async def test_members_stand_in_the_order_of_joining(directory: Directory, later: int) -> None:
    a, b, c, d = await people(directory, 4)
    where = await talk(directory, d, b)
    for turn, step in enumerate([{"add": [c]}, {"add": [a]}, {"remove": [b]}, {"add": [b]}], 1):
        await change(directory, where, **step, at=NOON + turn * later)
    assert await directory.members([where]) == {where: (d, c, a, b)}


async def test_unknown_users_are_named_and_no_member_changes(directory: Directory) -> None:
    ana, bruno, eva = await people(directory, 3)
    where = await talk(directory, ana, bruno)
    with pytest.raises(UnknownUsersError) as caught:
        await change(directory, where, add=["nobody", eva], remove=[ana])
    assert caught.value.usernames == ("nobody",)
    assert await directory.members([where]) == {where: (ana, bruno)}
    assert await waiting(directory) == []


async def test_an_unknown_conversation_has_no_members_to_change(directory: Directory) -> None:
    [ana] = await people(directory, 1)
    with pytest.raises(LookupError):
        await change(directory, new_id(), add=[ana])
    assert not (await directory.conversations_of([ana])).get(ana)
    assert await waiting(directory) == []


async def test_concurrent_changes_of_members_all_hold(directory: Directory) -> None:
    ana, *others = await people(directory, 51)
    where = await talk(directory, ana)
    assert all(await asyncio.gather(*(change(directory, where, add=[name]) for name in others)))
    assert sorted((await directory.members([where]))[where]) == [ana, *others]
    rows = await directory.outbox(limit=1000)
    assert len({row.number for row in rows}) == 50
    assert {row.notice.value for row in rows} == {repr(([name], ())).encode() for name in others}


async def test_of_concurrent_equal_changes_one_happens(directory: Directory) -> None:
    ana, bruno = await people(directory, 2)
    where = await talk(directory, ana)
    assert sum(await asyncio.gather(*(change(directory, where, add=[bruno]) for _ in range(50)))) == 1
    assert await directory.members([where]) == {where: (ana, bruno)}
    assert len(await waiting(directory)) == 1


async def test_concurrent_conversations_all_hold(directory: Directory) -> None:
    ana, bruno = await people(directory, 2)
    several = {each.conversation_id: each for each in (a_conversation(ana, bruno) for _ in range(50))}
    notices = {each: Notice(topic="chat4all.events", key=each, value=b"") for each in several}
    await asyncio.gather(*(directory.add_conversation(several[each], [notices[each]]) for each in several))
    assert await directory.conversations(several) == several
    assert {notice.key: notice for notice in await waiting(directory)} == notices


async def test_of_concurrent_conversations_with_one_id_one_is_made(directory: Directory) -> None:
    names = await people(directory, 50)
    same = new_id()
    rivals = [directory.add_conversation(a_conversation(name, conversation_id=same), [a_notice()]) for name in names]
    answers = await asyncio.gather(*rivals, return_exceptions=True)
    [winner] = [name for name, answer in zip(names, answers, strict=True) if answer is None]
    assert sum(isinstance(answer, AlreadyThereError) for answer in answers) == 49
    assert await directory.members([same]) == {same: (winner,)}
    assert len(await waiting(directory)) == 1


# -- outbox, leases, epochs


async def test_the_outbox_keeps_the_order_of_commits(directory: Directory) -> None:
    ana, bruno = await people(directory, 2)
    where, notices = a_conversation(ana), [a_notice(bytes([number])) for number in range(5)]
    await directory.add_conversation(where, notices[:3])
    await directory.change_members(where.conversation_id, add=[bruno], remove=[], at=NOON, notice=lambda *_: notices[3])
    await directory.change_members(
        where.conversation_id, add=[], remove=[bruno], at=NOON - 9, notice=lambda *_: notices[4]
    )
    rows = await directory.outbox(limit=10)
    assert [row.notice for row in rows] == notices
    assert [row.number for row in rows] == sorted({row.number for row in rows})
    assert await directory.outbox(limit=2) == rows[:2]
    await directory.outbox_done([rows[0].number, rows[2].number])
    assert await directory.outbox(limit=2) == [rows[1], rows[3]]
    await directory.outbox_done([rows[0].number])
    await directory.outbox_done([])
    assert await directory.outbox(limit=10) == [rows[1], rows[3], rows[4]]


async def test_a_number_of_the_outbox_is_never_used_again(twin: Twin) -> None:
    highest = 0
    for _ in range(3):
        await twin.directory.add_conversation(a_conversation(), [a_notice(), a_notice()])
        rows = await twin.directory.outbox(limit=10)
        assert len(rows) == 2
        assert rows[0].number > highest
        highest = rows[1].number
        await twin.directory.outbox_done({row.number for row in rows})
        await twin.close()
        await twin.open()


async def test_a_lease_has_one_holder_until_it_ends(twin: Twin) -> None:
    name, directory = new_id(), twin.directory
    assert await directory.lease(name, "one", seconds=10)
    assert await directory.lease(new_id(), "two", seconds=10)
    twin.advance(6)
    assert not await directory.lease(name, "two", seconds=10)
    assert await directory.lease(name, "one", seconds=10)
    twin.advance(6)
    assert not await directory.lease(name, "two", seconds=10)
    twin.advance(5)
    assert await directory.lease(name, "two", seconds=10)
    assert not await directory.lease(name, "one", seconds=10)


async def test_users_are_found_by_name_with_what_they_show(directory: Directory) -> None:
    shown = User(username=new_id(), display_name="Bruno Silva")
    plain = User(username=new_id())
    for one in (shown, plain):
        await directory.add_user(one)
    asked = [shown.username, plain.username, new_id()]
    assert await directory.users(asked) == {shown.username: shown, plain.username: plain}
    assert await directory.users([]) == {}


async def test_of_many_who_want_a_lease_one_gets_it(directory: Directory) -> None:
    name = new_id()
    taken = await asyncio.gather(*(directory.lease(name, f"pod-{number}", seconds=60) for number in range(50)))
    assert sum(taken) == 1
    assert await directory.lease(name, f"pod-{taken.index(True)}", seconds=60)


async def test_how_a_topic_was_made_is_written_down_once(directory: Directory) -> None:
    epoch = LogEpoch(topic=new_id(), epoch=3, partitions=24)
    assert await directory.log_epoch(epoch.topic) is None
    await directory.add_log_epoch(epoch)
    for again in (epoch, LogEpoch(topic=epoch.topic, epoch=4, partitions=12)):
        with contextlib.suppress(AlreadyThereError):
            await directory.add_log_epoch(again)
        assert await directory.log_epoch(epoch.topic) == epoch


# -- durability, failures, schema


async def test_what_was_written_is_there_after_a_new_start(twin: Twin) -> None:
    ana, bruno = await people(twin.directory, 2)
    made, epoch, lease = a_conversation(bruno, ana), LogEpoch(topic=new_id(), epoch=1, partitions=24), new_id()
    await twin.directory.add_conversation(made, [a_notice()])
    await twin.directory.add_log_epoch(epoch)
    assert await twin.directory.lease(lease, "one", seconds=60)
    rows = await twin.directory.outbox(limit=10)
    await twin.close()
    await twin.open()
    assert await twin.directory.user(ana) == User(username=ana)
    assert await twin.directory.conversation(made.conversation_id) == made
    assert await twin.directory.outbox(limit=10) == rows
    assert await twin.directory.log_epoch(epoch.topic) == epoch
    assert not await twin.directory.lease(lease, "two", seconds=60)


CALLS: dict[str, Callable[[Directory], Awaitable[object]]] = {
    "add_user": lambda directory: directory.add_user(User(username=new_id())),
    "user": lambda directory: directory.user("ana"),
    "change_user": lambda directory: directory.change_user("ana", role=Role.USER, password_hash=None),
    "find_users": lambda directory: directory.find_users("a", after="", limit=1),
    "seen": lambda directory: directory.seen("ana", NOON),
    "add_conversation": lambda directory: directory.add_conversation(a_conversation(), []),
    "conversation": lambda directory: directory.conversation(new_id()),
    "conversations_of": lambda directory: directory.conversations_of(["ana"]),
    "conversations": lambda directory: directory.conversations([new_id()]),
    "members": lambda directory: directory.members([new_id()]),
    "is_member": lambda directory: directory.is_member(new_id(), "ana"),
    "acquaintances": lambda directory: directory.acquaintances("ana", limit=1),
    "change_members": lambda directory: change(directory, new_id(), add=["ana"]),
    "lease": lambda directory: directory.lease(new_id(), "one", seconds=1),
    "outbox": lambda directory: directory.outbox(limit=1),
    "outbox_done": lambda directory: directory.outbox_done([1]),
    "log_epoch": lambda directory: directory.log_epoch("topic"),
    "add_log_epoch": lambda directory: directory.add_log_epoch(LogEpoch(topic=new_id(), epoch=1, partitions=1)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_closed_directory_is_unavailable(twin: Twin, call: Callable[[Directory], Awaitable[object]]) -> None:
    await twin.close()
    with pytest.raises(EngineUnavailableError, match="directory"):
        await call(twin.directory)


async def test_the_migrations_make_the_tables_that_the_code_names(tmp_path: Path) -> None:
    migrated = Sql.in_file(tmp_path / "fresh.db")
    await migrated.open()
    await migrated.close()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    engine.dispose()
