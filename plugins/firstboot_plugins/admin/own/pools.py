"""Pools as administrators set them up: who is given one of a profile's prepared devices, and which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from firstboot.model import DeviceProfile
from firstboot.pools import MAX_HARDWARE_ID_LENGTH
from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.own.in_path import profile_in_path
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import WHOLE, Sent, Told
from firstboot_plugins.strategies import pool_settings
from firstboot_plugins.strategies.pool_options import ANY, MAX_LEASE

TAG = "Pools"
PATH = "/api/firstboot/profiles/{profileId:uuid}/pool"
_MAX_LEASE_MS = int(MAX_LEASE.total_seconds()) * 1000
_MAX_HARDWARE = 10_000

OrderWord = Literal["fifo", "lowest", "random", "match", "match_fifo"]
OnEmptyWord = Literal["fail", "wait", "create"]
RebindWord = Literal["until_confirmed", "always", "never"]
HardwareId = Annotated[str, Field(min_length=1, max_length=MAX_HARDWARE_ID_LENGTH)]
Pattern = Annotated[str, Field(min_length=1, max_length=255)]


class PoolTold(Told):
    """A profile's pool."""

    order: OrderWord
    """Which device a hardware gets for which none is reserved; `match`: none."""
    lease_ms: int
    """How long a device is held that never logs in; 0: for ever."""
    on_empty: OnEmptyWord
    id_pattern: str | None
    """How devices are named that are made when none is ready."""
    rebind: RebindWord
    """Whether a hardware that asks again gets its device again."""
    hardware_ids: Sequence[str] | None
    """Which hardware may ask; null: any."""
    device_count: int
    ready: int
    """Devices that nobody holds, those among them that are reserved for a hardware."""


class PoolChange(Sent):
    """What to change; what is left out stays as it is."""

    order: OrderWord | None = None
    lease_ms: Annotated[int, Field(ge=0, le=_MAX_LEASE_MS, multiple_of=1000), WHOLE] | None = None
    """Whole seconds; 0: for ever."""
    on_empty: OnEmptyWord | None = None
    id_pattern: Pattern | None = None
    """Such as `meter-{seq:05d}`, or `meter-{hw}`; null takes it away."""
    rebind: RebindWord | None = None
    hardware_ids: Annotated[list[HardwareId], Field(max_length=_MAX_HARDWARE)] | None = None
    """Null: any."""


@operation("GET", PATH, dialect=FIRSTBOOT, tag=TAG, access=tenant_admins("profiles:read"), answers=PoolTold)
async def show(call: Call) -> PoolTold:
    """Show a profile's pool."""
    return await _told(call, await profile_in_path(call))


@operation(
    "PATCH",
    PATH,
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("profiles:write"),
    body=PoolChange,
    answers=PoolTold,
)
async def change(call: Call) -> PoolTold:
    """Change a profile's pool; the profile's strategy becomes `pool`."""
    sent: PoolChange = call.body
    options: dict[str, Any] = {name: getattr(sent, name) for name in sent.model_fields_set}
    if "hardware_ids" in options:
        options["hardware_ids"] = ANY if sent.hardware_ids is None else sent.hardware_ids
    if (lease_ms := options.pop("lease_ms", None)) is not None:
        options["lease"] = lease_ms // 1000
    kept = {name: value for name, value in options.items() if value is not None or name == "id_pattern"}
    profile = await pool_settings.change(
        call.services.profiles, await profile_in_path(call), kept, actor=call.actor
    )
    return await _told(call, profile)


OPERATIONS = (show, change)


async def _told(call: Call, profile: DeviceProfile) -> PoolTold:
    options = pool_settings.options_of(profile)
    told = options.told()
    return PoolTold(
        order=options.order.value,
        lease_ms=told["lease"] * 1000,
        on_empty=options.on_empty.value,
        id_pattern=options.id_pattern.text if options.id_pattern else None,
        rebind=told["rebind"],
        hardware_ids=None if options.hardware_ids is None else told["hardware_ids"],
        device_count=await call.services.storage.count_devices(profile.id),
        ready=await call.services.pools.ready(profile),
    )
