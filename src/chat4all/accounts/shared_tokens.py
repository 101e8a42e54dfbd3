"""Bearer tokens of the system's own parts, in a file that is read again when it changes: one can be changed at work."""

import hmac
import secrets
from pathlib import Path
from typing import Final

from chat4all.accounts import secret_file
from chat4all.model.errors import Refusal, StartError

_TAKEN: Final = 2  # lines: the current one, and the one before
_SHORTEST: Final = 16  # characters


class SharedTokens:
    """The first two lines of this file are taken; nothing is while there are none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[int, int] | None = None  # when it was changed, ns, and its size
        self._tokens: tuple[bytes, ...] = ()

    @classmethod
    def load_or_make(cls, path: Path) -> "SharedTokens":
        """The file's, made with a random token and for this user alone where it is not there. Raises StartError."""
        if path.exists():
            return cls(path)
        try:
            secret_file.make(path, f"{secrets.token_urlsafe(32)}\n".encode())
        except FileExistsError:
            return cls(path)  # another process was quicker
        except OSError as error:
            raise StartError(f"Cannot keep a token in {path}: {error.strerror}.") from error
        return cls(path)

    def check(self, given: str | None) -> None:
        """Raises Refusal unauthenticated. All are compared, in constant time."""
        token = (given or "").encode("utf-8", "replace")
        same = [hmac.compare_digest(token, one) for one in self._current()]
        if not any(same):
            raise Refusal("unauthenticated", "This is for the system's own parts, which have another token.")

    def _current(self) -> tuple[bytes, ...]:
        try:
            state = self._path.stat()
            now = state.st_mtime_ns, state.st_size
            if now != self._read:
                lines = [line.strip() for line in self._path.read_bytes().splitlines()]
                self._tokens = tuple(line for line in lines if len(line) >= _SHORTEST)[:_TAKEN]
                self._read = now
        except OSError:
            self._tokens, self._read = (), None
        return self._tokens
