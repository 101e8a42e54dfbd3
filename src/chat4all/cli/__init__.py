"""The `chat4all` command has a module per command; those that talk to a running server use `chat4all.client`."""
