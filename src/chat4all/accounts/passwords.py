"""Passwords: argon2id, in a bounded pool of threads because it is slow on purpose."""

import asyncio
import concurrent.futures
from typing import Final

import argon2

_THREADS: Final = 2  # each hash takes 64 MiB while it runs: the library's default, RFC 9106's second choice


class Passwords:
    """Hashes and checks."""

    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher()
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, "passwords")
        self._decoy = ""

    async def hash(self, password: str) -> str:
        """The argon2id hash of a password, with its parameters and salt."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    async def fits(self, password: str, known: str | None) -> bool:
        """Whether it is the password. With no hash it takes as long and is not: nobody learns which names exist."""
        if not self._decoy:
            self._decoy = await self.hash("decoy")
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._threads, self._verify, known or self._decoy, password)
        return right and known is not None

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown()

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
