"""RSA keys for devices, made before anybody asks: one takes some 50 ms, and devices do not wait long."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

_AT_ONCE = 2
"""Keys that are made at the same time for those who wait: more would only make all of them wait longer."""
_BITS, _EXPONENT = 2048, 65_537


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A key that is told to one device, and kept nowhere."""

    private_pem: str = field(repr=False)
    """PKCS#1, which is what the devices' programs read."""
    public_der: bytes
    """SubjectPublicKeyInfo."""


class KeyStock:
    """Has some keys ready. They are made in threads, in which the event loop is not held up."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ready: deque[DeviceKey] = deque()
        self._making = asyncio.Semaphore(_AT_ONCE)
        self._filling = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._ready)

    async def take(self) -> DeviceKey:
        """Return a key that nobody else gets: from the stock, or when that is empty, made now."""
        if self._ready:
            return self._ready.popleft()
        async with self._making:
            return self._ready.popleft() if self._ready else await asyncio.to_thread(make_key)

    async def fill(self) -> None:
        """Make what is missing, one key after the other."""
        async with self._filling:
            while len(self._ready) < self._size:
                self._ready.append(await asyncio.to_thread(make_key))


def make_key() -> DeviceKey:
    """Make a key; takes long."""
    # Not before it is needed: few servers have such devices.
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = rsa.generate_private_key(_EXPONENT, _BITS)
    return DeviceKey(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(),
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )
