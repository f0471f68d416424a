"""Secrets with which devices are claimed: made, read as people type them, and kept as digests."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from uuid import UUID

from firstboot.keyring import Keyring
from firstboot.secret import Secret, random_text

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Base 32 by Crockford: no letter looks like a digit, and chance writes no words."""
LENGTH = 16
"""80 bits."""
MAX_LENGTH = 255
_WEAK_BITS = 40
_LONG = 12
"""Of more characters than this even digits are enough."""
_LOOK_ALIKE = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_CLASSES = (string.digits, string.ascii_lowercase, string.ascii_uppercase, string.punctuation + " ")
_OTHER_CHARACTERS = 100


def new_claim_secret() -> Secret:
    """Make a secret that people can read from a label and type."""
    return Secret(random_text(LENGTH, ALPHABET))


def readings(secret: Secret) -> Sequence[Secret]:
    """Return what somebody may have meant who typed a secret: exactly that, or one of ours in other letters."""
    plain = secret.reveal().upper().translate(_LOOK_ALIKE)
    if len(plain) != LENGTH or not set(plain) <= set(ALPHABET) or plain == secret.reveal():
        return (secret,)
    return secret, Secret(plain)


def claim_digest(keyring: Keyring, device_public_id: UUID, secret: Secret) -> bytes:
    """Return the digest under which a device's claim secret is kept."""
    return keyring.digest("claim-secret", f"{device_public_id.hex}\0{secret.reveal()}")


def is_weak(secret: Secret) -> bool:
    """Say whether a secret can be found by trying: fewer than 40 bits, if all its characters were drawn."""
    text = secret.reveal()
    if len(text) > _LONG and text.isprintable():
        return False
    alphabet = sum(len(kind) for kind in _CLASSES if any(character in kind for character in text))
    if not text.isascii():
        alphabet += _OTHER_CHARACTERS
    return len(text) * math.log2(max(alphabet, 2)) < _WEAK_BITS
