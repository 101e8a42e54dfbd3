"""The directory's tables are defined here. A change needs a migration, too; a test compares the two."""

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()

users: Final = sa.Table(
    "users",
    metadata,
    sa.Column("username", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("email", sa.String(254)),
    sa.Column("password_hash", sa.String(255)),
    sa.Column("last_seen", sa.BigInteger),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("display_name", sa.String(255)),
)

conversations: Final = sa.Table(
    "conversations",
    metadata,
    sa.Column("conversation_id", sa.String(36), primary_key=True),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("created_by", sa.String(64), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("metadata", sa.Text, nullable=False),
)

members: Final = sa.Table(
    "members",
    metadata,
    sa.Column("conversation_id", sa.String(36), sa.ForeignKey("conversations.conversation_id"), primary_key=True),
    sa.Column("username", sa.String(64), sa.ForeignKey("users.username"), primary_key=True),
    sa.Column("added_at", sa.BigInteger, nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),  # the order of joining
    sa.Index("members_by_user", "username", "conversation_id"),
)

outbox: Final = sa.Table(
    "outbox",
    metadata,
    # SQLite numbers rows by itself only where the type is exactly INTEGER.
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("topic", sa.String(255), nullable=False),
    sa.Column("key", sa.String(255), nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # a number that was used is not used again
)

leases: Final = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("until", sa.Float, nullable=False),
)

log_epoch: Final = sa.Table(
    "log_epoch",
    metadata,
    sa.Column("topic", sa.String(255), primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("partitions", sa.Integer, nullable=False),
    sa.Column("identity", sa.String(64)),
)

connectors: Final = sa.Table(
    "connectors",
    metadata,
    sa.Column("uid", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(128), nullable=False, unique=True),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("managed_by", sa.String(128), nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("account", sa.String(128)),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("disabled_at", sa.BigInteger),
    sa.Index("connectors_by_account", "channel", "account", unique=True),
)

connector_reports: Final = sa.Table(
    "connector_reports",
    metadata,
    sa.Column("uid", sa.String(64), primary_key=True),
    sa.Column("pod", sa.String(253), primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("report", sa.Text, nullable=False),
)

links: Final = sa.Table(
    "links",
    metadata,
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
    sa.Index("links_by_user", "username"),
    sa.Index("links_by_person", "connector", "external_id"),
)

inbound_events: Final = sa.Table(
    "inbound_events",
    metadata,
    sa.Column("connector", sa.String(128), primary_key=True),
    sa.Column("event_id", sa.String(128), primary_key=True),
    sa.Column("conversation_id", sa.String(36), nullable=False),
    sa.Column("username", sa.String(64), nullable=False),
    sa.Column("ambiguous", sa.Boolean, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)

reach: Final = sa.Table(
    "reach",
    metadata,
    sa.Column("connector", sa.String(128), primary_key=True),
    sa.Column("chat", sa.String(128), primary_key=True),
    sa.Column("conversation_id", sa.String(36), primary_key=True),
    sa.Column("last_at", sa.BigInteger, nullable=False),
)

schema_serves: Final = sa.Table(
    "schema_serves", metadata, sa.Column("oldest", sa.Integer, primary_key=True, autoincrement=False)
)
