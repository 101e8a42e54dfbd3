"""Who and where: users, conversations, members, and what is still to be told about them (the outbox). In SQL."""
