"""The log of a window as one who scrolls sees it. What happens at every change is looked at in the page: scroll.js."""

from pathlib import Path
from typing import Any, Final, Self

from tests.browser.windows import Window

_SCRIPT: Final = (Path(__file__).parent / "scroll.js").read_text()
_NEAR: Final = 400  # pixels from the top at which older messages have to come in


class Scroll:
    """Made by `await Scroll.of(window)`; from then on every change is looked at."""

    def __init__(self, window: Window) -> None:
        self._window = window

    @classmethod
    async def of(cls, window: Window) -> Self:
        """Begin to look."""
        source = _SCRIPT[_SCRIPT.index("(log)") :]
        await window.log.evaluate(source)
        return cls(window)

    async def watched(self) -> dict[str, Any]:
        """{seen: all seqs that were drawn at some moment, wrong: holes and disorder, most: articles at once}."""
        found: dict[str, Any] = await self._call("watched()")
        return found

    async def edge(self, *, last: bool = False) -> int:
        """The first seq that is drawn, or the last one."""
        return int(await self._call(f"edge({str(last).lower()})"))

    async def place(self, seq: int | None = None) -> dict[str, Any]:
        """{seq, top}: where a message stands in the window, by default the first that can be seen."""
        found: dict[str, Any] = await self._call(f"place({seq or 'null'})")
        return found

    async def up(self, to: int = _NEAR) -> float:
        """Scroll close to the top and wait until older messages are drawn; by how many pixels what was seen moved."""
        return float(await self._call(f"up({to})"))

    async def to_beginning(self) -> float:
        """`up` until the first message is drawn; the largest movement."""
        return float(await self._call(f"toBeginning({_NEAR})"))

    async def to_end(self, seq: int) -> None:
        """Scroll down until this message is drawn, and to the end."""
        await self._call(f"toEnd({seq})")
        await self.to_edge(last=True)

    async def to_middle(self) -> None:
        """Of what is drawn."""
        await self._call("half()")

    async def to_edge(self, *, last: bool) -> None:
        """Of what is drawn."""
        await self._call(f"end({str(last).lower()})")

    async def _call(self, what: str) -> Any:
        return await self._window.page.evaluate(f"scrolling.{what}")
