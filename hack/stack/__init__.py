"""Real engines on this machine without containers: `python -m hack.stack up`, `down`, `status`."""
