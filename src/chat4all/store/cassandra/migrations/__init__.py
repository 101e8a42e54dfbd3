"""The message store's schema on Cassandra, version by version: a .cql file per step, never changed later."""
