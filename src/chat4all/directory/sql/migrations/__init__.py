"""The directory's schema is made version by version with Alembic: `versions/` holds a module per step, which is never
changed later."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory


def upgrade(engine: sa.Engine) -> None:
    """Bring the schema to the newest version. Raises sqlalchemy.exc.OperationalError."""
    config = _config()
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def revisions(connection: sa.Connection) -> tuple[str | None, str]:
    """Return the version of the schema, None where there is none, and the newest version."""
    current = MigrationContext.configure(connection).get_current_revision()
    return current, str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
