"""The store and its ledger on Cassandra, with their statements and numbered migrations."""
