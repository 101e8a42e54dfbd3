"""Makes the system visible: metrics, logs and traces."""
