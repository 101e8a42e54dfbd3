"""Passwords are hashed by argon2id, in a bounded pool of threads because it is slow on purpose."""

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Final, TypeVar

import argon2
from argon2.profiles import CHEAPEST

from chat4all.model.errors import Refusal

T = TypeVar("T")

_MAX_WAITING_HASHES: Final = 64  # some four seconds' worth
_THREAD_COUNT: Final = 2  # each hash takes 64 MiB while it runs: the library's default, RFC 9106's second choice


class Passwords:
    """Hashes and checks passwords. `parameters`: what a new hash costs; an old one is checked by its own."""

    def __init__(self, parameters: argon2.Parameters | None = None) -> None:
        self._hasher = argon2.PasswordHasher.from_parameters(parameters) if parameters else argon2.PasswordHasher()
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREAD_COUNT, "passwords")
        self._waiting = 0

    @classmethod
    def cheap(cls) -> "Passwords":
        """Return one whose hashes take no time: for public passwords, as those of the demo's users, and for tests."""
        return cls(CHEAPEST)

    async def hash(self, password: str) -> str:
        """Return the argon2id hash of a password, with its parameters and salt. Raises Refusal too-many."""
        return await self._run(self._hasher.hash, password)

    async def fits(self, password: str, password_hash: str | None) -> bool:
        """Return whether `password_hash` is the password's hash. Without a hash it takes as long and is False, so that
        nobody learns which names exist. Raises Refusal too-many."""
        if password_hash is None:
            await self.hash(password)
            return False
        return await self._run(self._verify, password_hash, password)

    def close(self) -> None:
        """Wait for all hashes, then stop the threads."""
        self._threads.shutdown()

    async def _run(self, work: Callable[..., T], *arguments: str) -> T:
        """Run `work` in a thread. Raises Refusal too-many where too many wait already, for each takes its time."""
        if self._waiting >= _MAX_WAITING_HASHES:
            raise Refusal("too-many", "Too many people are logging in or registering at this moment.", retry_after=2.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._waiting -= 1

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
