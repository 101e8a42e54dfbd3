"""What is answered with success is on disk: how embedded mode keeps its files, and what is answered where it cannot."""

import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa
from tests.integration.people import PASSWORD, Person, System, expected, refused, unused
from tests.refusing import refusing, refusing_sql

from chat4all.connectors.supervisor import registration
from chat4all.log.port import CONVERSATIONS, Assignment, LogRecord, dead_letter
from chat4all.model import records
from chat4all.model.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")
LINKS: Final = "/v1/users/channels"
_persons = itertools.count(1)


@pytest.mark.parametrize("engine", ["log", "store", "ledger"])
async def test_every_commit_of_a_file_is_synced(system: System, engine: str) -> None:
    def asked(connection: sqlite3.Connection) -> list[Any]:
        return [connection.execute(f"PRAGMA {one}").fetchone()[0] for one in ("journal_mode", "synchronous")]

    assert await getattr(system.engines, engine)._database.write(asked) == ["wal", 2], "2 is FULL"


async def test_every_commit_of_the_directory_is_synced_and_its_keys_are_checked(system: System) -> None:
    def asked(connection: sa.Connection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {one}").scalar_one() for one in names]

    assert await system.sql.write(asked) == ["wal", 2, 1]


class Scene(NamedTuple):
    """What there is to be changed: ana's conversation with bruno, a message of hers in it, a group of them and the
    admin, a link of bruno's, a dead letter. `nobody`: a name that is not taken; `person`: on Telegram, of nobody."""

    ana: Person
    bruno: Person
    admin: Person
    chat: str
    message: str
    group: str
    link: str
    letter: int
    nobody: str
    person: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connector(system: System) -> None:
    spec = {"channel": "telegram", "credentialsSecretRef": {"name": "keys"}, "inbox": {"members": ["ana"]}}
    metadata = {"name": "support", "namespace": "local"}
    resource = {"apiVersion": "chat4all.io/v1alpha1", "kind": "ChannelConnector", "metadata": metadata, "spec": spec}
    await registration(system.engines).put_raw(new_id(), resource, managed_by="test")


@pytest_asyncio.fixture(loop_scope="module")
async def scene(system: System, connector: None) -> Scene:
    ana, bruno, chat = await system.pair()
    record = records.encode(records.Message(id=new_id(), conversation_id=chat, sender_id="ana", content="late"))
    letter = dead_letter(Assignment(CONVERSATIONS, 0), LogRecord(0, 1, chat.encode(), record), "it was odd")
    [place] = await system.engines.log.append([letter])
    claim = {"channel_type": "telegram", "identifier": str(next(_persons))}
    return Scene(
        ana=ana,
        bruno=bruno,
        admin=await system.login("admin"),
        chat=chat,
        message=(await ana.said(chat, "hello"))["message_id"],
        group=await ana.conversation("bruno", "admin"),
        link=expected(await bruno.call("POST", LINKS, json=claim), 200).json()["id"],
        letter=place.offset,
        nobody=unused(),
        person=str(next(_persons)),
    )


Call = Callable[[Scene], Awaitable[httpx.Response]]
CALLS: Final[Mapping[tuple[str, str], Call]] = {
    ("log", "a message"): lambda s: s.ana.call("POST", "/v1/messages", json={"chat_id": s.chat, "content": "x"}),
    ("log", "an edit"): lambda s: s.ana.call("PATCH", f"/v1/messages/{s.message}", json={"content": "x"}),
    ("log", "a delete"): lambda s: s.ana.call("DELETE", f"/v1/messages/{s.message}"),
    ("log", "that it was read"): lambda s: s.bruno.call(
        "PATCH", f"/v1/messages/{s.message}/status", json={"conversation_id": s.chat, "status": "read"}
    ),
    ("log", "a dead letter that is put back"): lambda s: s.admin.call("POST", f"/v1/dead-letters/{s.letter}/replay"),
    ("directory", "a conversation"): lambda s: s.ana.call(
        "POST", "/v1/conversations", json={"type": "private", "members": ["bruno"]}
    ),
    ("directory", "somebody who leaves"): lambda s: s.bruno.call(
        "DELETE", f"/v1/conversations/{s.group}/members/bruno"
    ),
    ("directory", "a user"): lambda s: s.ana.call(
        "POST", "/v1/users", json={"username": s.nobody, "password": PASSWORD}
    ),
    ("directory", "another role"): lambda s: s.admin.call("PATCH", "/v1/users/bruno", json={"role": "user"}),
    ("directory", "a link"): lambda s: s.ana.call(
        "POST", LINKS, json={"channel_type": "telegram", "identifier": s.person}
    ),
    ("directory", "a link that goes"): lambda s: s.bruno.call("DELETE", f"{LINKS}/{s.link}"),
}


@contextlib.asynccontextmanager
async def refuses(system: System, engine: str) -> AsyncIterator[None]:
    """This engine can be read meanwhile, and not written."""
    if engine == "directory":
        with refusing_sql(system.sql):
            yield
    else:
        async with refusing(system.log._database):
            yield


@pytest.mark.parametrize(("engine", "what"), CALLS, ids=[f"{what}, by the {engine}" for engine, what in CALLS])
async def test_what_cannot_be_kept_is_not_answered_with_success(
    system: System, scene: Scene, engine: str, what: str
) -> None:
    async with refuses(system, engine):
        answer = await CALLS[engine, what](scene)
    assert refused(answer, 503, "unavailable")["detail"].startswith(f"{engine} is unavailable")
    assert (await CALLS[engine, what](scene)).is_success, "it can be asked for again, as nothing has happened"


async def test_a_key_is_remembered_only_with_what_it_is_of(system: System, scene: Scene) -> None:
    body, key = {"chat_id": scene.chat, "content": "once"}, new_id()
    async with refuses(system, "log"):
        refused(await scene.ana.call("POST", "/v1/messages", json=body, key=key), 503, "unavailable")
    message = await scene.ana.post(scene.chat, "once", key=key)
    assert (await scene.ana.settled(message))["content"] == "once"
