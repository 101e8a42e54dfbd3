"""What every engine does for whoever runs it, whatever is kept there: open, migrate, check, describe, close."""

from typing import NamedTuple, Protocol


class Description(NamedTuple):
    """`text`: product, release and how what is there is kept, for a person. `clock`: the engine's time in seconds since
    1970; None where it tells none."""

    text: str
    clock: float | None = None


class Engine(Protocol):
    """One engine behind a port. Every method but `close` raises EngineUnavailableError within a bounded time, and
    StartError for what a person has to decide or mend."""

    async def open(self) -> None:
        """Get ready to be used. An engine on a network connects when it is first used."""
        ...

    async def migrate(self) -> str:
        """Make what is to be there, or bring it up to date; what was done, for a person. Again, it changes nothing."""
        ...

    async def check(self) -> None:
        """See that everything is there that `migrate` makes. Raises NotMigratedError."""
        ...

    async def describe(self) -> Description:
        """What it is, and how it is. Raises StartError where what is there is kept worse than the settings say."""
        ...

    async def close(self) -> None:
        """Let go of it. What was begun may be finished first."""
        ...
