"""What people and tests tell the simulator, and what they ask it: /control, with its own page in /docs."""
