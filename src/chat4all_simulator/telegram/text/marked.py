"""Texts with the entities over them, and how the Bot API counts their length."""

from dataclasses import dataclass, field
from typing import Final

from chat4all_simulator.telegram.objects import Entity
from chat4all_simulator.telegram.refusals import RefusedError, bad

SPACES: Final = " \t\r\n\0\v"


def units(text: str) -> int:
    """Return a text's length in UTF-16 code units, in which the Bot API counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def octets(text: str) -> int:
    """Return a text's length in bytes of UTF-8, in which the API's error texts count."""
    return len(text.encode())


def unparsed(reason: str) -> RefusedError:
    """Return the refusal of a text that cannot be parsed."""
    return bad(f"can't parse entities: {reason}")


@dataclass
class Marked:
    """A text that is being made; `length`: of the text so far, in UTF-16 code units."""

    parts: list[str] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)
    length: int = 0

    def write(self, text: str) -> None:
        """Append more text, with nothing over it yet."""
        self.parts.append(text)
        self.length += units(text)

    def since(self, offset: int) -> str:
        """Return the text from an offset on, in UTF-16 code units."""
        count, length = 0, self.length
        while length > offset:
            count += 1
            length -= units(self.parts[-count])
        return "".join(self.parts[len(self.parts) - count :])

    def mark(self, kind: str, offset: int, *, url: str = "", language: str = "", custom_emoji_id: str = "") -> None:
        """Add an entity from `offset` to the end of the text, unless that is nothing."""
        if self.length > offset:
            self.entities.append(Entity(offset, self.length - offset, kind, url, None, language, custom_emoji_id))
