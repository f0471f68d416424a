"""Who claims a device."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from firstboot.model import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """Who claims, as far as failures are counted."""

    person: Hashable
    """A user's id; of somebody who signs up, the address."""
    customer_id: int | None
    address: str

    @property
    def group(self) -> Hashable:
        """Those who fail together on a device: people of one customer. Who has none stands for himself (CM-2)."""
        return self.person if self.customer_id is None else self.customer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who wants to own a device."""

    tenant_id: int
    claimant: Claimant
    actor: str
    origin: Origin
