"""Pushes between processes over Redis: publish and subscribe, and who is there."""
