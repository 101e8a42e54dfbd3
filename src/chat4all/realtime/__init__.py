"""Push and presence: who is connected where, and how a frame gets there. A push is only a hint; the store is the
truth."""
