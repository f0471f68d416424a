"""Verifying the audit log: each row's link depends on all rows before it (threat SE-7)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from firstboot.keyring import Keyring
from firstboot.storage import AuditQuery, Storage

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome of a verification."""

    rows: int
    """How many rows are whole."""
    broken_at: int | None
    """The id of the first row that does not fit, None when all do."""


async def verify_audit(storage: Storage, keyring: Keyring) -> Verified:
    """Walk the chain from its first row."""
    link = b""
    last_id = rows = 0
    while page := await storage.list_audit(AuditQuery(after_id=last_id, limit=PAGE)):
        for row in page:
            link = keyring.link(link, row.entry.canonical())
            if not hmac.compare_digest(link, row.link):
                return Verified(rows, row.id)
            last_id = row.id
            rows += 1
    return Verified(rows, None)
