"""Parameters as the Bot API's server takes them: numbers and truths leniently. JSON in them is each method's own."""

import re
from typing import Final

from chat4all_simulator.http.fields import Fields

_INTEGER: Final = re.compile(r"-?\d{1,19}")
_YES_WORDS: Final = {"true", "yes", "1"}


class Parameters:
    """The parameters of one call. One that is empty counts as one that is not there."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def text(self, name: str) -> str:
        """Return a parameter's text, empty if it is not there."""
        return self.fields.get(name, "")

    def integer(self, name: str, default: int = 0) -> int:
        """Return the number of a parameter's leading digits, 0 where there are none."""
        text = self.fields.get(name, "")
        if not text:
            return default
        digits = _INTEGER.match(text)
        return int(digits[0]) if digits else 0

    def truth(self, name: str) -> bool:
        """Return whether a parameter says yes; everything that does not says no."""
        text = self.fields.get(name)
        return text is not None and text.strip().lower() in _YES_WORDS
