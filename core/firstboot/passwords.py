"""Passwords of people: argon2id, so few at a time that a flood of logins costs devices nothing (threat LG-4)."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from typing import TypeVar

from firstboot.errors import InvalidValue, Unavailable
from firstboot.randomness import random_bytes
from firstboot.secret import Secret

MIN_LENGTH = 6
MAX_LENGTH = 72
MAX_WAITING = 64

_SALT_SIZE_BYTES = 16
_HASH_SIZE_BYTES = 32

_Result = TypeVar("_Result")


def check_password(password: Secret) -> None:
    """Check a password that somebody chooses.

    Raises: `InvalidValue`, with the texts of ThingsBoard's password policy.
    """
    if len(password) < MIN_LENGTH:
        raise InvalidValue(f"Password must be {MIN_LENGTH} or more characters in length.")
    if len(password) > MAX_LENGTH:
        raise InvalidValue(f"Password must be no more than {MAX_LENGTH} characters in length.")


class Passwords:
    """Makes and checks hashes in threads; the library is loaded with the first one.

    ``memory_kib`` and ``passes`` are argon2's m and t (RFC 9106); p is 1, because what counts here is how
    many cores all logins together may take.
    """

    def __init__(self, *, memory_kib: int, passes: int, parallel: int | None = None) -> None:
        self._memory_kib = memory_kib
        self._passes = passes
        # One core stays for the devices, where there is more than one.
        self._slots = asyncio.Semaphore(parallel or max(1, (os.cpu_count() or 1) - 1))
        self._waiting = 0
        self._nobody = self._hash_of_nobody()

    async def hash(self, password: Secret) -> str:
        """Return a new password's hash, in its standard text form.

        Raises: `InvalidValue` for one that is too short or too long, `Unavailable`.
        """
        check_password(password)
        return await self._in_turn(lambda: self._hash(_as_bytes(password)))

    async def verify(self, stored: str | None, password: Secret) -> bool:
        """Say whether this is the password; None (no such user) is the same work and never right (LG-3).

        Raises: `Unavailable`.
        """
        right = await self._in_turn(lambda: self._verify(stored or self._nobody, _as_bytes(password)))
        return right and stored is not None

    async def _in_turn(self, work: Callable[[], _Result]) -> _Result:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many people are logging in at the same time.")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        future = asyncio.get_running_loop().run_in_executor(None, work)
        # Not when the caller gives up: the thread goes on, and its core is taken until it ends.
        future.add_done_callback(lambda _: self._slots.release())
        return await asyncio.shield(future)

    def _hash(self, password: bytes) -> str:
        from argon2 import PasswordHasher

        return PasswordHasher(
            time_cost=self._passes,
            memory_cost=self._memory_kib,
            parallelism=1,
            hash_len=_HASH_SIZE_BYTES,
            salt_len=_SALT_SIZE_BYTES,
        ).hash(password)

    def _verify(self, stored: str, password: bytes) -> bool:
        from argon2 import PasswordHasher
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return PasswordHasher().verify(stored, password)  # the parameters are those of the hash
        except (VerificationError, InvalidHashError):
            return False

    def _hash_of_nobody(self) -> str:
        """Return a hash that costs the same as any, and that no password has: its digest was drawn, not made."""
        salt, digest = (_unpadded(random_bytes(size)) for size in (_SALT_SIZE_BYTES, _HASH_SIZE_BYTES))
        return f"$argon2id$v=19$m={self._memory_kib},t={self._passes},p=1${salt}${digest}"


def _as_bytes(password: Secret) -> bytes:
    # Keyboards differ in how they compose letters; a person means the same password.
    return unicodedata.normalize("NFC", password.reveal()).encode("utf-8", "surrogatepass")


def _unpadded(raw: bytes) -> str:
    return b64encode(raw).rstrip(b"=").decode("ascii")
