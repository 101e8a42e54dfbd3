"""Drivers are shared by adapters that speak to an engine by SQLite, Redis or TLS. They do not know what is kept."""
