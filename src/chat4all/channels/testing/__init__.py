"""Testing a channel: the tables that it brings, and the suite that every channel has to pass."""
