"""Examining the engines: what each is, how quick it is, and what is wrong with what is kept there."""

import time
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from chat4all.model.errors import EngineUnavailableError, NotMigratedError, StartError
from chat4all.processes import installation
from chat4all.processes.engines import Engines, ManagedEngine

_MAX_SKEW_SECONDS: Final = 2.0  # that an engine's clock may differ
_SLOW_SECONDS: Final = 0.1  # more is far for an engine in the same data center


class Finding(NamedTuple):
    """What was found. `wrong`: empty where all is well; `advice`: what to do then."""

    part: str
    well: str
    wrong: str = ""
    advice: str = ""


async def examine(engines: Engines) -> AsyncIterator[Finding]:
    """Look at one engine after the other, then at what they have together. Never raises for an engine."""
    skews: dict[str, float] = {}
    for name, one in engines.managed.items():
        yield await _engine(name, one, skews)
    yield _clock(skews)
    yield await _schema(engines)


async def _engine(name: str, managed: ManagedEngine, skews: dict[str, float]) -> Finding:
    """What one engine says of itself; how much its clock is ahead goes into `skews`, in seconds."""
    try:
        await managed.engine.describe()  # it connects
        began, before = time.monotonic(), time.time()
        found = await managed.engine.describe()
    except (EngineUnavailableError, StartError) as error:
        return Finding(
            name, "", str(error), f"See that it runs and that {managed.variable} and its neighbours are right."
        )
    took = time.monotonic() - began
    if found.clock is not None:
        skews[name] = found.clock - (before + took / 2)
    if took > _SLOW_SECONDS:
        return Finding(
            name, "", f"{found.text}; it takes {took * 1000:.0f} ms to answer", "It is far away or overloaded."
        )
    return Finding(name, f"{found.text}; {took * 1000:.1f} ms")


def _clock(skews: dict[str, float]) -> Finding:
    """The engines' clocks against this machine's: leases and the times of sessions go by them."""
    if not skews:
        return Finding("clock", "", "not known: no engine says what time it has", "See the engines first.")
    name, skew = max(skews.items(), key=lambda one: abs(one[1]))
    if abs(skew) > _MAX_SKEW_SECONDS:
        return Finding(
            "clock", "", f"that of the {name} differs by {skew:.1f} s", "Have all machines follow one clock (NTP)."
        )
    return Finding("clock", f"differs by at most {abs(skew) * 1000:.0f} ms ({name})")


async def _schema(engines: Engines) -> Finding:
    try:
        epoch = await installation.check(engines)
    except NotMigratedError as error:
        return Finding("schema", "", str(error), f"{error.advice.capitalize()}.")
    except (EngineUnavailableError, StartError) as error:
        return Finding("schema", "", str(error), "See the engine named first.")
    return Finding("schema", f"all there; the log's epoch is {epoch}")
