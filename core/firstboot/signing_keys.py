"""The keys of this installation that sign access tokens: drawn, sealed in the database, replaceable (LG-5)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from firstboot.clock import Clock
from firstboot.errors import Unavailable
from firstboot.keyring import Keyring
from firstboot.randomness import random_bytes
from firstboot.secret import random_text
from firstboot.storage import Storage

META_NAME = "signing-keys"
KEY_SIZE_BYTES = 64
"""As long as HMAC-SHA-512 makes use of (RFC 7518, 3.2)."""
MAX_AGE_S = 1.0
"""How long a server may go on with keys that another process has replaced."""

_PLACE = b"meta.signing-keys"
_KEY_ID_LENGTH = 12


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key, and until when the tokens that it signed are good."""

    id: str
    secret: bytes = field(repr=False)
    retires_at_ms: int | None = None
    """None: it is the one that signs."""


class SigningKeys:
    """Reads the keys when they are needed; the first one to need them makes them."""

    def __init__(
        self, storage: Storage, keyring: Keyring, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._storage = storage
        self._keyring = keyring
        self._clock = clock
        self._monotonic = monotonic
        self._keys: Mapping[str, SigningKey] = {}
        self._read_at = float("-inf")

    async def current(self) -> SigningKey:
        """Return the key to sign with.

        Raises: `Unavailable`.
        """
        keys = await self._fresh()
        if not keys:
            await self._change({}, None)
            keys = await self._fresh()
        return next(key for key in keys.values() if key.retires_at_ms is None)

    async def find(self, key_id: str) -> SigningKey | None:
        """Return the key that a token names, if its tokens are still good.

        Raises: `Unavailable`.
        """
        key = (await self._fresh()).get(key_id)
        if key is None or (key.retires_at_ms is not None and key.retires_at_ms <= self._clock.now_ms()):
            return None
        return key

    async def rotate(self, *, overlap_ms: int) -> None:
        """Sign with another key from now on; what the present one has signed stays good for ``overlap_ms``.

        Raises: `Unavailable` when another process does the same at this moment.
        """
        stored = await self._storage.read_meta(META_NAME)
        retired = {}
        now_ms = self._clock.now_ms()
        for key in self._opened(stored).values():
            until_ms = now_ms + overlap_ms if key.retires_at_ms is None else key.retires_at_ms
            # What has to end at once ends for the keys of earlier rotations too.
            until_ms = min(until_ms, now_ms + overlap_ms)
            if until_ms > now_ms:
                retired[key.id] = SigningKey(key.id, key.secret, until_ms)
        if not await self._change(retired, stored):
            raise Unavailable("Another process has replaced the signing key at the same time. Try again.")

    async def _fresh(self) -> Mapping[str, SigningKey]:
        now = self._monotonic()
        if now - self._read_at > MAX_AGE_S:
            self._keys = self._opened(await self._storage.read_meta(META_NAME))
            self._read_at = now
        return self._keys

    async def _change(self, retired: Mapping[str, SigningKey], expected: bytes | None) -> bool:
        """Write a new key beside the retired ones; say whether nobody else was faster."""
        key = SigningKey(random_text(_KEY_ID_LENGTH), random_bytes(KEY_SIZE_BYTES))
        keys = [key, *retired.values()]
        text = json.dumps([[each.id, each.secret.hex(), each.retires_at_ms] for each in keys])
        written = await self._storage.write_meta(META_NAME, self._keyring.seal(text, _PLACE), expected)
        self._read_at = float("-inf")
        return written

    def _opened(self, stored: bytes | None) -> dict[str, SigningKey]:
        rows: list[Any] = json.loads(self._keyring.unseal(stored, _PLACE)) if stored is not None else []
        return {key_id: SigningKey(key_id, bytes.fromhex(secret), until) for key_id, secret, until in rows}
