"""Accepts what people do in a conversation into the log, reads it back, and keeps count of who has seen what."""
