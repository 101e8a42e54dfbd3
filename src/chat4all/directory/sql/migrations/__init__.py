"""The directory's schema is made version by version with Alembic: `versions/` holds a module per step, which is never
changed later."""

import functools
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from chat4all.directory.sql import tables
from chat4all.model.schemas import Schema, number

_SERVES: Final = 1  # the oldest release that the newest schema serves, by its newest step: see model/schemas.py


def upgrade(engine: sa.Engine) -> None:
    """Bring the schema to the newest version, and write down which releases it serves. A schema that is newer stays as
    it is. Raises sqlalchemy.exc.DBAPIError."""
    config = _config()
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if found(connection).version > newest():
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.execute(sa.delete(tables.schema_serves))
        connection.execute(sa.insert(tables.schema_serves).values(oldest=_SERVES))


def found(connection: sa.Connection) -> Schema:
    """Return the version of the schema in this database, and the oldest release that it serves."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        return Schema(0, 0)
    serves = 0
    if sa.inspect(connection).has_table(tables.schema_serves.name):
        serves = connection.execute(sa.select(tables.schema_serves.c.oldest)).scalar() or 0
    return Schema(number(revision), serves)


@functools.cache
def newest() -> int:
    """Return the number of the newest step that this release knows."""
    return number(str(ScriptDirectory.from_config(_config()).get_current_head()))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
