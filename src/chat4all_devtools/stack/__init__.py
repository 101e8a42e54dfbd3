"""Real engines on this machine without containers: `python -m chat4all_devtools.stack up`, `down`, `status`."""
