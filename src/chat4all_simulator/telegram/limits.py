"""How often a bot may send: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this

About one message a second to a chat, twenty a minute to a group and thirty a second in all. The real ones are not told
exactly; these are, so that a proof can show that they are obeyed.
"""

import math
from collections import deque
from dataclasses import dataclass

from chat4all_simulator.clock import Clock
from chat4all_simulator.telegram.refusals import too_many


@dataclass(frozen=True)
class Rates:
    """How many calls that send something a bot may make; None: as many as it likes."""

    chat_second: int | None = 1
    group_minute: int | None = 20
    bot_second: int | None = 30


class Limits:
    """Sliding windows over the calls that were let through."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.rates = Rates()
        self._windows: dict[tuple[int, int, float], deque[float]] = {}  # times by bot, chat (0: all) and seconds

    def set(self, rates: Rates) -> None:
        """Apply these rates from now on; what was counted is forgotten."""
        self.rates = rates
        self._windows.clear()

    def take(self, bot: int, chat: int) -> None:
        """Count one call that sends something to this chat. Raises RefusedError if it is one too many."""
        now, rates = self._clock.now(), self.rates
        limits = [(rates.chat_second, chat, 1.0), (rates.bot_second, 0, 1.0)]
        if chat < 0:
            limits.append((rates.group_minute, chat, 60.0))
        windows = [(self._window(bot, key, seconds, now), count) for count, key, seconds in limits if count is not None]
        waits = [window[-count] + seconds - now for (window, seconds), count in windows if len(window) >= count]
        if waits:
            raise too_many(max(1, math.ceil(max(waits))))
        for (window, _), _count in windows:
            window.append(now)

    def _window(self, bot: int, chat: int, seconds: float, now: float) -> tuple[deque[float], float]:
        window = self._windows.setdefault((bot, chat, seconds), deque())
        while window and window[0] <= now - seconds:
            window.popleft()
        return window, seconds
