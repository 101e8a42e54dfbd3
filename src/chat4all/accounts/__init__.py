"""Finds out who someone is: passwords, keys, tokens, users and links."""
