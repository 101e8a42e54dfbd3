"""Rate limits that all processes of a role share."""
