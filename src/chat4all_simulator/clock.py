"""The simulator's own time: the machine's, moved ahead on demand, so that messages can be days old."""

import time


class Clock:
    """A clock in seconds since 1970. `ahead`: how many seconds it is before the machine's."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        """Return the simulator's time, in seconds since 1970."""
        return time.time() + self.ahead
