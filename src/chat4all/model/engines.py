"""What every engine does for the process that runs on it, whatever is kept there: open, migrate, check, describe,
close."""

from typing import NamedTuple, Protocol


class Description(NamedTuple):
    """A description of an engine. `text`: product, release and how data is kept there, for a person; `clock`: the
    engine's time in seconds since 1970, None where it has none."""

    text: str
    clock: float | None = None


class Engine(Protocol):
    """An engine stands behind a port. Every method but `close` raises EngineUnavailableError within a bounded time, and
    StartError for what a person has to decide or repair."""

    async def open(self) -> None:
        """Get ready to be used. An engine on a network connects when it is first used."""
        ...

    async def migrate(self) -> str:
        """Make what this release needs on the engine, or bring it up to date. Return what was done, for a person.
        Done again, it changes nothing."""
        ...

    async def check(self) -> None:
        """Check that everything that `migrate` makes exists. Raises NotMigratedError."""
        ...

    async def describe(self) -> Description:
        """Return what the engine is and how it keeps data. Raises StartError where data is kept less safely than the
        settings say."""
        ...

    async def close(self) -> None:
        """Close the connections or files. Requests that have begun may be finished first."""
        ...
