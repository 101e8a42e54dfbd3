"""The store and its ledger in SQLite files."""
