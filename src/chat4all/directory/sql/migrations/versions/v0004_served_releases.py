"""Which releases the schema serves: an old process goes on beside a new one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table, of one row, which every migration writes."""
    op.create_table("schema_serves", sa.Column("oldest", sa.Integer, primary_key=True, autoincrement=False))
