"""The `chat4all` command: a module per command, `client` for those that talk to a running server."""
