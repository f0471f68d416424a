"""Keys of one installation: digests for looking up, sealing for reading back, the audit chain.

The server key lives outside the database (file, environment or command). It wraps one random data key that
lives inside; everything else is derived from that. So a copy of the database alone opens nothing, and a new
server key needs only a new wrapping, not a walk over every row.
"""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from firstboot.errors import StorageRefused
from firstboot.randomness import random_bytes

KEY_SIZE_BYTES = 32
DIGEST_SIZE_BYTES = 16
_NONCE_SIZE_BYTES = 12
_WRAP_LABEL = b"firstboot data key v1"


class Keyring:
    """Derives what it needs from the data key; holds no other secret."""

    def __init__(self, data_key: bytes) -> None:
        self._data_key = data_key
        # Keyed beforehand: to copy them is faster than to begin anew, and each device needs three.
        self._digest = hmac.new(self._derive(b"digest"), digestmod="sha256")
        self._audit = hmac.new(self._derive(b"audit"), digestmod="sha256")
        self._seal = AESGCM(self._derive(b"seal"))

    def _derive(self, purpose: bytes) -> bytes:
        return hmac.digest(self._data_key, b"firstboot " + purpose, "sha256")

    @classmethod
    def generate(cls) -> Keyring:
        """Make the keys of a new installation."""
        return cls(os.urandom(KEY_SIZE_BYTES))

    def wrap(self, server_key: bytes) -> bytes:
        """Return the data key as the database keeps it."""
        nonce = os.urandom(_NONCE_SIZE_BYTES)
        return nonce + AESGCM(server_key).encrypt(nonce, self._data_key, _WRAP_LABEL)

    @classmethod
    def unwrap(cls, wrapped: bytes, server_key: bytes) -> Keyring:
        """Open what `wrap` made.

        Raises: `StorageRefused` when it was wrapped with another server key.
        """
        nonce, sealed = wrapped[:_NONCE_SIZE_BYTES], wrapped[_NONCE_SIZE_BYTES:]
        try:
            return cls(AESGCM(server_key).decrypt(nonce, sealed, _WRAP_LABEL))
        except (InvalidTag, ValueError):  # ValueError: cut off
            raise StorageRefused(
                "The server key does not belong to this database. Put back the key file that was made with it."
            ) from None

    def key(self, purpose: str) -> bytes:
        """Return the key (32 bytes) of a purpose, such as for what a dialect signs; the same one every time."""
        return self._derive(b"key " + purpose.encode())

    def digest(self, purpose: str, text: str) -> bytes:
        """Return the keyed digest (16 bytes) under which ``text`` is looked up."""
        keyed = self._digest.copy()
        keyed.update(f"{purpose}\0{text}".encode("utf-8", "surrogatepass"))
        return keyed.digest()[:DIGEST_SIZE_BYTES]

    def seal(self, text: str, place: bytes) -> bytes:
        """Encrypt ``text`` so that only `unseal` with the same ``place`` (table, column, row) reads it."""
        nonce = random_bytes(_NONCE_SIZE_BYTES)
        return nonce + self._seal.encrypt(nonce, text.encode("utf-8", "surrogatepass"), place)

    def unseal(self, sealed: bytes, place: bytes) -> str:
        """Decrypt what `seal` made.

        Raises: `StorageRefused` when the bytes were changed or moved to another place.
        """
        try:
            text = self._seal.decrypt(sealed[:_NONCE_SIZE_BYTES], sealed[_NONCE_SIZE_BYTES:], place)
        except (InvalidTag, ValueError):
            raise StorageRefused("A sealed value in the database was changed or moved.") from None
        return text.decode("utf-8", "surrogatepass")

    def link(self, previous: bytes, row: bytes) -> bytes:
        """Return the audit chain's next link: a keyed hash over the previous one and this row."""
        keyed = self._audit.copy()
        keyed.update(previous + row)
        return keyed.digest()


def credentials_place(device_public_id: bytes) -> bytes:
    """Return the place of a device's sealed credentials."""
    return b"credentials.sealed " + device_public_id


def profile_secret_place(profile_public_id: bytes) -> bytes:
    """Return the place of a profile's sealed provision secret."""
    return b"device_profile.secret_sealed " + profile_public_id
