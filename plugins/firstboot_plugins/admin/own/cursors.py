"""Where a list goes on: a text that says nothing, because the ids in it count what all tenants have."""

from __future__ import annotations

import base64
import binascii

from firstboot.errors import InvalidValue, StorageRefused
from firstboot.keyring import Keyring

MAX_CURSOR_LENGTH = 128


def make_cursor(keyring: Keyring, list_name: str, row_id: int) -> str:
    """Return the cursor behind a row."""
    return base64.urlsafe_b64encode(keyring.seal(str(row_id), _place(list_name))).decode("ascii")


def read_cursor(keyring: Keyring, list_name: str, cursor: str) -> int:
    """Return the row that a cursor of this list stands for.

    Raises: `InvalidValue`.
    """
    try:
        sealed = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        return int(keyring.unseal(sealed, _place(list_name)))
    except (StorageRefused, binascii.Error, ValueError):
        raise InvalidValue("The cursor is none that this list gave out.") from None


def _place(list_name: str) -> bytes:
    return b"cursor " + list_name.encode()
