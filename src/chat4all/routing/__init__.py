"""The router gives every record its seq in the log's own order, stores it, and pushes it to the users it concerns."""
