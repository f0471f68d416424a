"""What there is to say about a Thing, for REST and the command line (contract section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firstboot.model import Device
from firstboot.sessions import device_owner
from firstboot_plugins.dialects.thingstream.credentials import thing_id
from firstboot_plugins.dialects.thingstream.things import ThingState, kept_with, state_of

if TYPE_CHECKING:
    from firstboot.app import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingRecord:
    """A Thing in words."""

    id: str
    name: str
    hardware_id: str | None
    profile: str
    plan: str | None
    tags: Sequence[str]
    state: ThingState
    created_ms: int
    activated_ms: int | None
    supersedes: str | None
    superseded_by: str | None


def record_of(device: Device, profile: str) -> ThingRecord:
    """Return the record of a device; ``profile`` is the name of its profile."""
    kept = kept_with(device)
    return ThingRecord(
        id=thing_id(device.public_id),
        name=device.label or device.name,
        hardware_id=device.hardware_id,
        profile=profile,
        plan=kept.get("plan"),
        tags=tuple(kept.get("tags") or ()),
        state=state_of(device),
        created_ms=device.created_at_ms,
        activated_ms=kept.get("activated"),
        supersedes=kept.get("supersedes"),
        superseded_by=kept.get("superseded_by"),
    )


async def last_seen_ms(services: Services, device: Device) -> int | None:
    """Return when a Thing was last known to be there."""
    if services.sessions.is_open(device_owner(device.id)):
        return services.clock.now_ms()
    reported = [value.at_ms for value in await services.storage.latest_telemetry(device.id)]
    return max((*reported, device.first_login_at_ms or 0)) or None
