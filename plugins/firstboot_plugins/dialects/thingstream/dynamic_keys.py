"""The keys with which corrections are encrypted: each good for four weeks (contract section 6.1).

Nothing of them is stored. They are derived from the server's key, so that every server of an installation, and the
same one after a restart, tells the same.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from firstboot.keyring import Keyring

DURATION_MS = 28 * 86_400_000
EPOCH_MS = 1_761_436_800_000
"""2025-10-26, a Sunday: one period begins there, the others before and after it."""
SIZE_BYTES = 16


@dataclass(frozen=True, slots=True)
class DynamicKey:
    """One key and its time."""

    start_ms: int
    value: str = field(repr=False)
    """32 hex digits."""

    def to_json(self) -> dict[str, object]:
        """Return it as devices read it."""
        return {"duration": DURATION_MS, "start": self.start_ms, "value": self.value}


def dynamic_keys(keyring: Keyring, tenant_id: int, plan: str, now_ms: int) -> tuple[DynamicKey, DynamicKey]:
    """Return the key of a plan that is good now, and the next one."""
    period = (now_ms - EPOCH_MS) // DURATION_MS
    current, following = (_key(keyring, tenant_id, plan, number) for number in (period, period + 1))
    return current, following


def _key(keyring: Keyring, tenant_id: int, plan: str, period: int) -> DynamicKey:
    told = f"{tenant_id}:{period}:{plan}".encode()
    derived = hmac.digest(keyring.key("thingstream-dynamic-key"), told, "sha256")
    return DynamicKey(EPOCH_MS + period * DURATION_MS, derived[:SIZE_BYTES].hex())
