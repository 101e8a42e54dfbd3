"""The directory of users, conversations and members, and the outbox of notices about them. It is kept in SQL."""
