"""Password hashes: argon2id (RFC 9106, low-memory profile) in two threads of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

#: One verification takes 64 MiB and a fifth of a second; two at a time leave the service its cores.
_WORKERS: Final = 2
#: Verifications that may wait for a thread before new ones are refused.
_WAITING: Final = 20

T = TypeVar("T")
_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """The encoded argon2id hash; takes about 0.2 s, so not for the event loop."""
    return _hasher.hash(password)


class PasswordsBusy(Exception):
    """More passwords wait to be checked than the machine can do soon; retryable."""

    error_id = "passwords-busy"
    retryable = True


class Passwords:
    """Checks and makes hashes without holding up the event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="password")
        self._nobody: str | None = None
        self._waiting = 0

    async def matches(self, encoded: str | None, password: str) -> bool:
        """Whether the password fits. None (no such user) takes as long and is always False.

        Raises PasswordsBusy.
        """
        return await self._run(partial(self._verify, encoded, password))

    async def hash(self, password: str) -> str:
        """The encoded hash. Raises PasswordsBusy."""
        return await self._run(partial(hash_password, password))

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING:
            raise PasswordsBusy("Many people are signing in. Try again in a few seconds.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def _verify(self, encoded: str | None, password: str) -> bool:
        if self._nobody is None:
            self._nobody = hash_password("nobody has this password")
        try:
            _hasher.verify(encoded or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return encoded is not None
