"""Who someone is: passwords, keys, tokens."""
