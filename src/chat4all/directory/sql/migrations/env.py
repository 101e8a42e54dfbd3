"""Alembic runs this module. The connection, in its transaction, comes from `upgrade`."""

from alembic import context

from chat4all.directory.sql import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    render_as_batch=True,  # SQLite changes a table by making it anew
)
context.run_migrations()
