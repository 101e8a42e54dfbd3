"""The directory's schema, version by version (Alembic): `versions/` holds a module per step, never changed later."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def upgrade(engine: sa.Engine) -> None:
    """Bring the schema to the newest version; does nothing where it is. Raises sqlalchemy.exc.OperationalError."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
