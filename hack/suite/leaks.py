"""What must never be in a log, and the search for it."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

# A JWT, a password hash, a password of a test, a bot's token, a webhook's secret. `demo` is in the README and in the
# welcome.
_SECRETS: Final = re.compile(
    r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]+|\$argon2id\$\S+|long-enough|correct-horse|\bpassword=(?!demo\b)\w"
    r"|(?<!\d)\d{6,}:[\w-]{30,}|secret_of_this|golden-ring"
)


def found(tiers: Sequence[Path], servers: Sequence[Path]) -> list[str]:
    """Lines that hold a secret, it itself taken out: all lines of the servers' logs, and ours of the tiers' logs, in
    which clients and libraries write too."""
    ours = [line for file in tiers for line in _lines(file) if line[1].startswith("chat4all")]
    theirs = [line for file in servers for line in _lines(file)]
    return [
        f"{name}: {_SECRETS.sub('[a secret]', text)[:200]}" for name, text in ours + theirs if _SECRETS.search(text)
    ]


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    with file.open(errors="replace") as opened:
        for line in opened:
            yield "/".join(file.parts[-3:]), line.rstrip("\n")
