"""Pools as they are sent, kept and shown (contract 12.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from firstboot.model import DeviceProfile
from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.dialect_profiles import kept_in, with_kept
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.strategies import pool_settings
from firstboot_plugins.strategies.pool_options import ANY, Order

POOL = "pool"
"""What a pool is called in paths and bodies, and in what is kept with its profile."""
_OPTIONS = {"strategy": "order"} | {
    name: name for name in ("lease", "on_empty", "rebind", "hardware_ids", "id_pattern", "template")
}
"""What the profile's options are called, by thinger.io's names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolChange:
    """What is to be different about a pool; None leaves it as it is."""

    name: str | None = None
    description: str | None = None
    enabled: bool | None = None
    options: Mapping[str, Any]

    def applied(self, profile: DeviceProfile) -> DeviceProfile:
        """Return the profile with this change.

        Raises: `InvalidValue`.
        """
        kept = dict(kept_in(profile, POOL) or {})
        sent = {"name": self.name, "description": self.description}
        kept |= {key: value for key, value in sent.items() if value is not None}
        enabled = profile.enabled if self.enabled is None else self.enabled
        return pool_settings.applied(self.options, replace(with_kept(profile, POOL, kept), enabled=enabled))


def read_pool(fields: BodyFields) -> PoolChange:
    """Read what is sent of a pool.

    Raises: `ThingerError` (400).
    """
    options = {ours: fields.take(name) for name, ours in _OPTIONS.items() if fields.has(name)}
    if options.get("order", Order.FIFO) not in [*Order]:
        raise ThingerError(400, f"invalid field: strategy is one of {', '.join(Order)}")
    change = PoolChange(
        name=fields.text("name"),
        description=fields.text("description"),
        enabled=fields.flag("enabled"),
        options=options,
    )
    fields.end()
    return change


def pool_json(profile: DeviceProfile, *, devices: int, ready: int) -> dict[str, Any]:
    """Return the answer that shows a pool."""
    told = pool_settings.options_of(profile).told()
    kept = kept_in(profile, POOL) or {}
    return {
        POOL: profile.name,
        "name": kept.get("name", ""),
        "description": kept.get("description", ""),
        "enabled": profile.enabled,
        **{name: told[ours] for name, ours in _OPTIONS.items() if ours in told},
        "devices": devices,
        "ready": ready,
        "created": profile.created_at_ms,
    }


def hardware_of(profile: DeviceProfile) -> Any:
    """Return which hardware may claim: ``any``, or a list."""
    return pool_settings.options_of(profile).told().get("hardware_ids", ANY)
