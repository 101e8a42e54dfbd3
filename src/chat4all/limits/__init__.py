"""Rate limits are shared by all processes of a role."""
