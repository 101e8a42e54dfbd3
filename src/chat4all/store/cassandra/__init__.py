"""The store and its ledger on Cassandra, their statements and their numbered migrations."""
