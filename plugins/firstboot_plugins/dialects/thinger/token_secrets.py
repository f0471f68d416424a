"""The texts that open an account: always the same for one token, so that nobody has to store them (contract 2.3).

A token's texts are made of what is stored of it and of the server's key. Who deletes a token and makes another one
with the same id gets other texts, because each has a nonce of its own.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from firstboot.keyring import Keyring
from firstboot.secret import ALPHANUMERIC, Secret, random_text

ALGORITHM = "HS256"
SHORT_PREFIX = "pk_"
SHORT_LENGTH = 24
NONCE_LENGTH = 22
"""128 bits, in letters and digits."""
_PURPOSE = "thinger token "


def looks_like_a_token(text: str) -> bool:
    """Say whether a text has the form of a token or of its alias."""
    return text.startswith(SHORT_PREFIX) or (text.startswith("eyJ") and text.count(".") == 2)


def new_nonce() -> str:
    """Return what makes the texts of a new token differ from those of all others."""
    return random_text(NONCE_LENGTH)


def signed(keyring: Keyring, nonce: str, claims: Mapping[str, Any]) -> Secret:
    """Return the JWT of a token with these claims, in this order; those that are None are left out."""
    import jwt  # not before there is a token

    given = {name: value for name, value in claims.items() if value is not None}
    return Secret(jwt.encode(given, keyring.key(_PURPOSE + nonce), ALGORITHM))


def short_key(keyring: Keyring, nonce: str) -> Secret:
    """Return the alias that fits into small buffers (contract 12.2): 142 bits."""
    number = int.from_bytes(hmac.digest(keyring.key(_PURPOSE + nonce), b"short", "sha256"))
    letters = []
    for _ in range(SHORT_LENGTH):
        number, rest = divmod(number, len(ALPHANUMERIC))
        letters.append(ALPHANUMERIC[rest])
    return Secret(SHORT_PREFIX + "".join(letters))
