"""Every statement and migration as CockroachDB would get it, and that it has what they use.

CockroachDB itself is not run by the tests: this compiles for its dialect, and looks for what it lacks. The list is of
https://www.cockroachlabs.com/docs/stable/postgresql-compatibility#unsupported-features and the pages it leads to.
"""

import importlib
import io
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy_cockroachdb.psycopg2 import CockroachDBDialect_psycopg2

from chat4all.directory.channels import ConnectorRow, InboundOrigin, Link, Report
from chat4all.directory.port import Conversation, LogEpoch, Notice, User
from chat4all.directory.sql import engine, tables
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.directory.sql.migrations import versions
from chat4all.model.ids import new_id

LACKS = re.compile(
    r"\b(pg_advisory\w*|LISTEN|NOTIFY|CREATE DOMAIN|CREATE RULE|CREATE CAST|EXCLUDE USING|DEFERRABLE|INHERITS|"
    r"LOCK TABLE|XML|ON COMMIT|TABLESAMPLE|FOR KEY SHARE|SKIP LOCKED OF|CREATE TEXT SEARCH|money|int4range)\b",
    re.IGNORECASE,
)
NOTICE = Notice(topic="t", key="k", value=b"v")


def compiled(clause: sa.ClauseElement) -> str:
    return str(clause.compile(dialect=CockroachDBDialect_psycopg2()))


async def everything(sql: Sql) -> None:
    """Every method of the directory once: what it executes is looked at on its way."""
    directory, channels = SqlDirectory(sql), SqlChannels(sql)
    for name in ("ana", "bruno"):
        await directory.add_user(User(username=name))
    await directory.user("ana")
    await directory.users(["ana"])
    await directory.change_user("ana", role=None, password_hash="h")
    await directory.find_users("a_%", after="", limit=5)
    await directory.seen("ana", 1)
    chat = Conversation(
        conversation_id=new_id(), type="group", created_by="ana", created_at=1, metadata={}, members=("ana",)
    )
    await directory.add_conversation(chat, [NOTICE])
    await directory.conversations([chat.conversation_id])
    await directory.conversations_of(["ana"])
    await directory.joined([chat.conversation_id])
    await directory.is_member(chat.conversation_id, "ana")
    await directory.acquaintances("ana", limit=5)
    for add, remove in ((["bruno"], []), ([], ["bruno"])):
        await directory.change_members(
            chat.conversation_id, add=add, remove=remove, at=1, notice=lambda added, removed: NOTICE
        )
    for _ in range(2):
        await directory.lease("l", "h", seconds=1)
    await directory.outbox_done([row.number for row in await directory.outbox(limit=5)])
    await directory.add_log_epoch(LogEpoch(topic="t", epoch=1, partitions=1))
    await directory.log_epoch("t")
    connector = ConnectorRow(uid="u", name="local.t", channel="telegram", managed_by="file", spec={})
    for _ in range(2):
        await channels.put_connector(connector)
    await channels.put_connector(msgspec.structs.replace(connector, uid="v"))
    await channels.put_connector(connector)
    await channels.set_state("u", "Disabled", at=1)
    await channels.connectors()
    await channels.claim_account("u", "1")
    report = Report(pod="p", at=1, role="receives", reason="Connected", sentence="It works.")
    for pod in ("p", "q", "p"):
        await channels.report("u", msgspec.structs.replace(report, pod=pod), {})
    await channels.reports(["u"], since=0)
    await channels.forget_reports(before=0)
    place: dict[str, Any] = {"channel": "telegram", "connector": "local.t", "created_at": 1}
    link = Link(link_id=new_id(), username="ana", external_id="1", chat="1", **place)
    await channels.add_link(link)
    await channels.links_of(["ana"])
    await channels.link(link.link_id)
    await channels.prove_link("local.t", "1", "code", since=0)
    await channels.set_reachable("local.t", "1", reachable=False, reason="Blocked")
    arrival = InboundOrigin(
        connector="local.t", channel="telegram", event_id="e", external_id="9", chat="9", name="Clara", at=1, since=0,
        inbox=("ana",), quoted=chat.conversation_id,
    )  # fmt: skip
    for _ in range(2):
        await channels.place(arrival, lambda _: NOTICE)
    await channels.user_of("local.t", "9")
    await channels.first_time("local.t", "f", 1)
    for at in (1, 2):
        await channels.reached("local.t", "9", chat.conversation_id, at)
    await channels.forget_events(before=0)
    await channels.remove_link(link.link_id, "ana")
    await channels.remove_connector("u")
    await sql.migrate()
    await sql.check()


async def test_every_statement_is_one_that_cockroachdb_has(tmp_path: Path) -> None:
    sql = Sql.in_file(tmp_path / "directory.db")
    await sql.open()
    seen: set[str] = set()

    @sa.event.listens_for(sql._engine, "before_execute")
    def look(_: object, clause: object, *more: object) -> None:
        if isinstance(clause, sa.ClauseElement):
            seen.add(compiled(clause))

    await everything(sql)
    await sql.close()
    assert len(seen) > 40
    assert [statement for statement in seen if LACKS.search(statement)] == []
    wanted = {table.name for table in tables.metadata.sorted_tables}
    assert {name for name in wanted if any(name in statement for statement in seen)} == wanted


STEPS = [importlib.import_module(f"{versions.__name__}.{one.name}") for one in pkgutil.iter_modules(versions.__path__)]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.revision)
def test_every_migration_is_one_that_cockroachdb_has(step: ModuleType) -> None:
    written = io.StringIO()
    context = MigrationContext.configure(dialect_name="cockroachdb", opts={"as_sql": True, "output_buffer": written})
    with Operations.context(context):
        step.upgrade()
    assert re.search(r"CREATE TABLE|ALTER TABLE", written.getvalue())
    assert not LACKS.search(written.getvalue())


def test_what_is_tried_again_is_what_cockroachdb_says_is_to_be() -> None:
    assert "40001" in engine._RETRIED_SQLSTATES
