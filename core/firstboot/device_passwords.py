"""Passwords of devices that nobody is to read again: of each a digest alone is kept, with a salt of its own.

It is PBKDF2 with HMAC-SHA-256, as thinger.io has it (contract 6.2). How many passes it takes says who has chosen
the password: one that was drawn cannot be tried out in any time, and one pass will do. One that a device or a
person has chosen makes whoever tries words pay twenty times as much. More would be paid by the server, when all
devices come back after a power cut (threat MQ-13), and when a factory makes thousands a second: a hundred passes
are a tenth of what a device costs, and the 0.2 ms of a thousand would be as much again. A password that is a word
is not saved by either.

No key of the server is in it. A digest stands within sealed credentials: whoever cannot open those does not see
it, and whoever can has all the keys that the server has.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

from firstboot.randomness import random_bytes

CHOSEN_PASSES = 20
"""For a password that somebody has chosen."""
DRAWN_PASSES = 1
"""For one that was drawn with 128 bits or more."""

_NAME = "pbkdf2-sha256"
_SALT_SIZE_BYTES = 32
_END = b"\x01"


def digest_of(password: str, *, drawn: bool = False) -> str:
    """Return what is kept of a password. ``drawn``: it has 128 bits or more, so that one pass will do."""
    passes, salt = DRAWN_PASSES if drawn else CHOSEN_PASSES, random_bytes(_SALT_SIZE_BYTES)
    digest = _digest(password, salt, passes)
    return f"{_NAME}${passes}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def is_password_of(digest: str, password: str) -> bool:
    """Say whether this is the password of which `digest_of` has made the digest."""
    name, passes, salt, expected = digest.split("$")
    if name != _NAME:
        raise ValueError(f"there are no digests of the kind {name!r}")
    return hmac.compare_digest(_digest(password, b64decode(salt), int(passes)), b64decode(expected))


def _digest(password: str, salt: bytes, passes: int) -> bytes:
    # HMAC fills short keys up with zeros: without an end, a password would be the same with NUL behind it.
    return hashlib.pbkdf2_hmac("sha256", password.encode("utf-8", "surrogatepass") + _END, salt, passes)
