"""A text that is being made, with the entities over it."""

from dataclasses import dataclass, field
from typing import Final

from chat4all_simulator.telegram.objects import Entity
from chat4all_simulator.telegram.refusals import RefusedError, bad

SPACES: Final = " \t\r\n\0\v"


def units(text: str) -> int:
    """Its length in UTF-16 code units, in which the Bot API counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def octets(text: str) -> int:
    """Its length in UTF-8, in which errors count."""
    return len(text.encode())


def unparsed(reason: str) -> RefusedError:
    """The refusal of a text that cannot be parsed."""
    return bad(f"can't parse entities: {reason}")


@dataclass
class Marked:
    """`length`: of the text so far, in UTF-16 code units."""

    parts: list[str] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)
    length: int = 0

    def write(self, text: str) -> None:
        """More text."""
        self.parts.append(text)
        self.length += units(text)

    def since(self, offset: int) -> str:
        """What was written from there on."""
        taken, length = 0, self.length
        while length > offset:
            taken += 1
            length -= units(self.parts[-taken])
        return "".join(self.parts[len(self.parts) - taken :])

    def mark(self, kind: str, offset: int, *, url: str = "", language: str = "", custom_emoji_id: str = "") -> None:
        """An entity from there to here; an empty one is none."""
        if self.length > offset:
            self.entities.append(Entity(offset, self.length - offset, kind, url, None, language, custom_emoji_id))
