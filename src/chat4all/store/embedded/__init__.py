"""The store and its ledger are SQLite files here."""
