"""The message store: what was said, and what became of it. Written by the router, read by everyone."""
