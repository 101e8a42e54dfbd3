"""Connectors, links, what came in, what reached whom; names that people show."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables that channels need, and a column for names."""
    op.add_column("users", sa.Column("display_name", sa.String(255)))
    op.create_table(
        "connectors",
        sa.Column("uid", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(128), nullable=False, unique=True),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("managed_by", sa.String(64), nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("account", sa.String(128)),
        sa.Column("status", sa.Text, nullable=False),
    )
    op.create_index("connectors_by_account", "connectors", ["channel", "account"], unique=True)
    op.create_table(
        "links",
        sa.Column("link_id", sa.String(36), primary_key=True),
        sa.Column("username", sa.String(64), sa.ForeignKey("users.username"), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("connector", sa.String(128), nullable=False),
        sa.Column("external_id", sa.String(128), nullable=False),
        sa.Column("chat", sa.String(128), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("code", sa.String(64)),
        sa.Column("reason", sa.String(64)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("links_by_user", "links", ["username"])
    op.create_index("links_by_person", "links", ["connector", "external_id"])
    op.create_table(
        "inbound_events",
        sa.Column("connector", sa.String(128), primary_key=True),
        sa.Column("event_id", sa.String(128), primary_key=True),
        sa.Column("conversation_id", sa.String(36), nullable=False),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("ambiguous", sa.Boolean, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "reach",
        sa.Column("connector", sa.String(128), primary_key=True),
        sa.Column("chat", sa.String(128), primary_key=True),
        sa.Column("conversation_id", sa.String(36), primary_key=True),
        sa.Column("last_at", sa.BigInteger, nullable=False),
    )
