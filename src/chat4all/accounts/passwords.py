"""Passwords: argon2id, in a bounded pool of threads because it is slow on purpose."""

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Final, TypeVar

import argon2

from chat4all.model.errors import Refusal

T = TypeVar("T")

_WAITING: Final = 64  # hashes that may wait: some four seconds' worth
_THREADS: Final = 2  # each hash takes 64 MiB while it runs: the library's default, RFC 9106's second choice


class Passwords:
    """Hashes and checks."""

    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher()
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, "passwords")
        self._decoy = ""
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The argon2id hash of a password, with its parameters and salt."""
        return await self._run(self._hasher.hash, password)

    async def fits(self, password: str, known: str | None) -> bool:
        """Whether it is the password. With no hash it takes as long and is not: nobody learns which names exist."""
        if not self._decoy:
            self._decoy = await self.hash("decoy")
        right = await self._run(self._verify, known or self._decoy, password)
        return right and known is not None

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
