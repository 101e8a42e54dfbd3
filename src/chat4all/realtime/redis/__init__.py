"""Pushes and presence between processes over Redis, with publish and subscribe."""
