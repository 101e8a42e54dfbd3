"""Checks bearer tokens of the system's own parts. Their file is read again when it changes: no restart is needed."""

import hmac
import secrets
from pathlib import Path
from typing import Final

from chat4all.accounts import secret_file
from chat4all.model.errors import Refusal, StartError, UnusableFileError

_MAX_TOKENS: Final = 2  # the current one, and the one before
_MIN_TOKEN_BYTES: Final = 16


class SharedTokens:
    """Accepts the tokens in the first two lines of a file, and no other; without a line, none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_state: tuple[int, int] | None = None  # of the file: when it was changed, ns, and its size
        self._tokens: tuple[bytes, ...] = ()

    @classmethod
    def load_or_make(cls, path: Path) -> "SharedTokens":
        """Return the tokens of a file, which is made with a random token, for this user alone, if it is not there.

        Raises StartError.
        """
        if path.exists():
            return cls(path)
        try:
            secret_file.make(path, f"{secrets.token_urlsafe(32)}\n".encode())
        except FileExistsError:
            return cls(path)  # another process was quicker
        except OSError as error:
            raise StartError(f"Cannot keep a token in {path}: {error.strerror}.") from error
        return cls(path)

    @staticmethod
    def check_file(path: Path) -> None:
        """Raise UnusableFileError if there is no such file."""
        if not path.is_file():
            raise UnusableFileError(f"CHAT4ALL_INTERNAL__TOKEN_FILE: there is no file {path}.")

    def check(self, bearer: str | None) -> None:
        """Compare a token with all, in constant time. Raises Refusal unauthenticated if it is none of them."""
        token = (bearer or "").encode("utf-8", "replace")
        matches = [hmac.compare_digest(token, one) for one in self._current()]
        if not any(matches):
            raise Refusal("unauthenticated", "This is not the token of the system's own parts, which this API takes.")

    def _current(self) -> tuple[bytes, ...]:
        try:
            state = self._path.stat()
            current = state.st_mtime_ns, state.st_size
            if current != self._read_state:
                lines = [line.strip() for line in self._path.read_bytes().splitlines()]
                self._tokens = tuple(line for line in lines if len(line) >= _MIN_TOKEN_BYTES)[:_MAX_TOKENS]
                self._read_state = current
        except OSError:
            self._tokens, self._read_state = (), None
        return self._tokens
