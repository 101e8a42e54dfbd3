"""Passwords: argon2id, in a bounded pool of threads because it is slow on purpose."""

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Final, TypeVar

import argon2
from argon2.profiles import CHEAPEST

from chat4all.model.errors import Refusal

T = TypeVar("T")

_WAITING: Final = 64  # hashes that may wait: some four seconds' worth
_THREADS: Final = 2  # each hash takes 64 MiB while it runs: the library's default, RFC 9106's second choice


class Passwords:
    """Hashes and checks. `parameters`: what a hash costs; whatever it was, a hash that is kept says it itself."""

    def __init__(self, parameters: argon2.Parameters | None = None) -> None:
        self._hasher = argon2.PasswordHasher.from_parameters(parameters) if parameters else argon2.PasswordHasher()
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, "passwords")
        self._waiting = 0

    @classmethod
    def cheap(cls) -> "Passwords":
        """Hashes that take no time: for passwords that are public, as those of the demo's users, and for tests."""
        return cls(CHEAPEST)

    async def hash(self, password: str) -> str:
        """The argon2id hash of a password, with its parameters and salt."""
        return await self._run(self._hasher.hash, password)

    async def fits(self, password: str, known: str | None) -> bool:
        """Whether it is the password. With no hash it takes as long and is not: nobody learns which names exist."""
        if known is None:
            await self.hash(password)
            return False
        return await self._run(self._verify, known, password)

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown()

    async def _run(self, work: Callable[..., T], *given: str) -> T:
        """Raises Refusal too-many where too many wait already: each takes its time, whoever asks."""
        if self._waiting >= _WAITING:
            raise Refusal("too-many", "Too many people log in or register at this moment.", retry_after=2.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)
        finally:
            self._waiting -= 1

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
