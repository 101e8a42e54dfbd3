"""What each pod of a connector reports; since when a connector is disabled; longer names of who manages one."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table and the column, and widen one."""
    op.create_table(
        "connector_reports",
        sa.Column("uid", sa.String(64), primary_key=True),
        sa.Column("pod", sa.String(253), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("report", sa.Text, nullable=False),
    )
    with op.batch_alter_table("connectors") as connectors:
        connectors.add_column(sa.Column("disabled_at", sa.BigInteger))
        connectors.alter_column(
            "managed_by", existing_type=sa.String(64), type_=sa.String(128), existing_nullable=False
        )
