"""Which topic an epoch is of: one that was deleted and made again is another."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; it is filled where it is first missed."""
    op.add_column("log_epoch", sa.Column("identity", sa.String(64)))
