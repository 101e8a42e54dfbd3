"""Parameters as the Bot API's server takes them: numbers and truths leniently. JSON in them is each method's own."""

import re
from typing import Final

from chat4all_simulator.http.fields import Fields

_INTEGER: Final = re.compile(r"-?\d{1,19}")
_TRUE: Final = {"true", "yes", "1"}


class Parameters:
    """Of one call. An empty one is one that is not there."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def text(self, name: str) -> str:
        """Empty if it is not there."""
        return self.fields.get(name, "")

    def integer(self, name: str, default: int = 0) -> int:
        """Its leading digits; nought where there are none."""
        given = self.fields.get(name, "")
        if not given:
            return default
        found = _INTEGER.match(given)
        return int(found[0]) if found else 0

    def truth(self, name: str) -> bool:
        """Everything that does not say yes says no."""
        given = self.fields.get(name)
        return given is not None and given.strip().lower() in _TRUE
