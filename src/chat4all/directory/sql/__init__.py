"""The directory on SQLAlchemy: SQLite, PostgreSQL or CockroachDB, with numbered migrations."""
