"""Drivers: what several adapters speak to an engine with, SQLite, Redis and TLS; nothing here knows what is kept."""
