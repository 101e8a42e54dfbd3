"""A call of a method: whose it is, what it says, and what it works on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from chat4all_simulator.telegram.limits import Limits
from chat4all_simulator.telegram.parameters import Parameters
from chat4all_simulator.telegram.polling import Polling
from chat4all_simulator.telegram.setting import Setting
from chat4all_simulator.telegram.world import Bot, World


@dataclass(slots=True)
class Call:
    """One call of a method: the bot that makes it, its parameters, and what it works on."""

    bot: Bot
    parameters: Parameters
    world: World
    polling: Polling
    setting: Setting
    limits: Limits


@dataclass(frozen=True)
class Described:
    """A result that is answered together with a sentence about it."""

    result: Any
    description: str


Method = Callable[[Call], Any | Awaitable[Any]]  # raises RefusedError
