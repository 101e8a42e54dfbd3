"""Which releases a schema serves: old and new ones beside each other, in both directions."""

from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from chat4all.directory.channels import ConnectorRow
from chat4all.directory.sql import migrations, tables
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.engine import Sql
from chat4all.model.errors import NotMigratedError
from chat4all.model.schemas import Schema, check, number

CASES = {
    "empty": (Schema(0, 0), 3, "schema is empty, and 3 is needed"),
    "older than the release": (Schema(2, 1), 3, "schema is 2, and 3 is needed"),
    "the release's own": (Schema(3, 1), 3, None),
    "newer, and it serves this release still": (Schema(9, 3), 3, None),
    "newer, after something was taken away": (Schema(9, 4), 3, "it serves releases that know 4; this one knows 3"),
    "from before it was written down": (Schema(3, 0), 3, None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_release_works_with(case: str) -> None:
    found, own, refused = CASES[case]
    if refused is None:
        check("store", found, own)
        return
    with pytest.raises(NotMigratedError, match=refused) as raised:
        check("store", found, own)
    assert ("migrate" in raised.value.advice) == (found.version < own)


@pytest.mark.parametrize(("version", "found"), [("v0002_ledger", 2), ("0004", 4), ("v0010_a2", 10)])
def test_the_number_of_a_step(version: str, found: int) -> None:
    assert number(version) == found


@pytest.mark.parametrize(("oldest", "is_served"), [(1, True), (99, False)])
async def test_a_newer_schema_is_left_alone_and_worked_with_if_it_serves_this_release(tmp_path, oldest, is_served):
    sql = Sql.in_file(tmp_path / "directory.db")
    newest = migrations.newest()
    try:
        assert await sql.migrate() == f"schema {newest}, was empty"
        assert await sql.migrate() == f"schema {newest}"

        def newer(connection: sa.Connection) -> None:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0099'")
            connection.execute(sa.update(tables.schema_serves).values(oldest=oldest))

        await sql.write(newer)
        assert "newer than this release" in await sql.migrate()
        assert await sql.read(migrations.found) == Schema(99, oldest)
        if is_served:
            await sql.check()
        else:
            with pytest.raises(NotMigratedError, match="serves releases that know 99"):
                await sql.check()
    finally:
        await sql.close()


async def test_connectors_of_an_older_schema_stay_as_they_are(tmp_path):
    """SQLite makes the table anew for the fifth step; a name and an account are still one connector's."""
    file = tmp_path / "directory.db"
    row: dict[str, Any] = {
        "uid": "u",
        "name": "local.x",
        "channel": "telegram",
        "managed_by": "file",
        "spec": "{}",
        "account": "42",
    }
    columns, values = ", ".join([*row, "status"]), ", ".join(f":{name}" for name in [*row, "status"])
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config = migrations._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        insert = sa.text(f"INSERT INTO connectors ({columns}) VALUES ({values})")
        connection.execute(insert, row | {"status": '{"queue": 1}'})
    engine.dispose()
    sql = Sql.in_file(file)
    await sql.open()
    channels = SqlChannels(sql)
    known = ConnectorRow(**row | {"spec": {}, "status": {"queue": 1}})
    assert await channels.connectors() == [known]
    for same in ({"name": "local.x"}, {"account": "42"}):
        other = row | {"uid": "v", "name": "local.y", "account": None, "status": "{}"} | same
        with pytest.raises(sa.exc.IntegrityError):
            await sql.write(partial(_insert, other))
    await sql.close()


def _insert(row: dict[str, Any], connection: sa.Connection) -> None:
    connection.execute(sa.insert(tables.connectors), row)
