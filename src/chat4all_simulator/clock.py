"""The simulator's own time: the machine's, moved ahead on demand, so that messages can be days old."""

import time


class Clock:
    """Seconds since 1970, as a float. `ahead`: how far it stands before the machine's."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        """This moment."""
        return time.time() + self.ahead
