"""Wiring: the one place that knows which adapter stands behind which port, in one process or in many."""
