"""Push and presence: who is connected where, and how a frame gets there. Only ever a hint; the store is the truth."""
