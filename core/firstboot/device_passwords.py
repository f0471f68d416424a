"""Passwords of devices that nobody is to read again: of each a digest alone is kept, with a salt of its own.

It is PBKDF2 with HMAC-SHA-256, as thinger.io has it (contract 6.2), of a single pass. What guards a password is
that its digest stands within sealed credentials: whoever cannot open those does not see it, and whoever can has
all the keys that the server has. A hundred passes would stop nobody who tries words then, and the server would pay
for them when all devices come back after a power cut (threat MQ-13).
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode

from firstboot.randomness import random_bytes

_KIND = "pbkdf2-sha256$1"
_SALT_SIZE_BYTES = 32
_END = b"\x01"
_FIRST_BLOCK = b"\0\0\0\1"


def digest_of(password: str) -> str:
    """Return what is kept of a password."""
    salt = random_bytes(_SALT_SIZE_BYTES)
    return f"{_KIND}${b64encode(salt).decode()}${b64encode(_digest(password, salt)).decode()}"


def is_password_of(digest: str, password: str) -> bool:
    """Say whether this is the password of which `digest_of` has made the digest."""
    kind, salt, expected = digest.rsplit("$", 2)
    if kind != _KIND:
        raise ValueError(f"there are no digests of the kind {kind!r}")
    return hmac.compare_digest(_digest(password, b64decode(salt)), b64decode(expected))


def _digest(password: str, salt: bytes) -> bytes:
    # hashlib's PBKDF2 gives up the interpreter lock, and under load takes long to get it back. Of a single pass it
    # is no more than this. HMAC fills short keys up with zeros: without an end, a password would be the same with
    # NUL behind it.
    key = password.encode("utf-8", "surrogatepass") + _END
    return hmac.new(key, salt + _FIRST_BLOCK, "sha256").digest()
