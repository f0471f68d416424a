"""The devices of a profile's pool: filling it, seeing who has which, and taking them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from firstboot.credentials import nobodys_credentials
from firstboot.devices import DeviceDraft
from firstboot.errors import FirstbootError, InvalidValue
from firstboot.model import Device, DeviceProfile
from firstboot.pool_names import read_pattern
from firstboot.pools import MAX_MEMBERS_AT_ONCE
from firstboot.storage import DeviceQuery
from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.own.cursors import MAX_CURSOR_LENGTH, make_cursor, read_cursor
from firstboot_plugins.admin.own.in_path import device_in_path, profile_in_path
from firstboot_plugins.admin.own.pools import PATH, TAG, HardwareId, Pattern
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import WHOLE, Asked, Sent, Told
from firstboot_plugins.strategies import pool_settings

_LIST = "pool-members"
_MAX_NAMED = 1000


State = Literal["ready", "leased", "assigned"]
_STATES: dict[str, State] = {"ready": "ready", "leased": "leased", "assigned": "assigned"}


class MemberTold(Told):
    """A device of a pool, and the hardware that has it."""

    device_id: UUID
    name: str
    state: State
    """`assigned`: it has logged in with what it was given."""
    hardware_id: str | None
    """Who has it, or had it last, or for whom it is reserved."""
    reserved: bool
    leased_at_ms: int | None
    leased_until_ms: int | None
    """Null for one that is leased: for ever."""


class Members(Told):
    """Some devices of a pool, in the order in which they were added."""

    members: Sequence[MemberTold]
    cursor: str | None
    """Ask again with it for what follows; null: nothing follows."""


class MembersAsked(Asked):
    """Which part of the list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, Field(max_length=MAX_CURSOR_LENGTH)] | None = None


class NewMemberSent(Sent):
    """A device to add."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    hardware_id: HardwareId | None = None
    """For which it is reserved; nobody else gets it."""


class Filling(Sent):
    """What to add: either a number of devices, or those of a list."""

    count: Annotated[int, Field(ge=1, le=MAX_MEMBERS_AT_ONCE), WHOLE] | None = None
    id_pattern: Pattern | None = None
    """How they are named, such as `meter-{seq:05d}`; null: as the pool says."""
    devices: Annotated[list[NewMemberSent], Field(min_length=1, max_length=_MAX_NAMED)] | None = None


class NotAdded(Told):
    """Why a device could not be added."""

    name: str | None
    """Null: of a number of devices, no more."""
    message: str


class Filled(Told):
    """What became of a filling."""

    added: int
    ready: int
    failed: Sequence[NotAdded]


@operation(
    "GET",
    f"{PATH}/members",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("devices:read"),
    query=MembersAsked,
    answers=Members,
)
async def members(call: Call) -> Members:
    """List the devices of a pool, and which hardware has them."""
    asked: MembersAsked = call.query
    services = call.services
    keyring = services.core.keyring
    profile = await profile_in_path(call)
    after_id = 0 if asked.cursor is None else read_cursor(keyring, _LIST, asked.cursor)
    found = await services.pools.members(profile, after_id=after_id, limit=asked.limit)
    public_ids = await _public_ids(call, profile, [member.device_id for member in found])
    now_ms = services.clock.now_ms()
    return Members(
        members=[
            MemberTold(
                device_id=public_ids[member.device_id],
                name=member.device_name,
                state=_STATES[member.state(now_ms)],
                hardware_id=member.hardware_id,
                reserved=member.reserved,
                leased_at_ms=member.leased_at_ms,
                leased_until_ms=member.leased_until_ms,
            )
            for member in found
            if member.device_id in public_ids  # else: deleted since
        ],
        cursor=make_cursor(keyring, _LIST, found[-1].device_id) if len(found) == asked.limit else None,
    )


@operation(
    "POST",
    f"{PATH}/members",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("devices:create"),
    body=Filling,
    answers=Filled,
)
async def fill(call: Call) -> Filled:
    """Add devices to a pool: a number of them, or those of a list. Each succeeds or fails alone."""
    sent: Filling = call.body
    profile = await profile_in_path(call)
    options = pool_settings.options_of(profile)
    pools = call.services.pools
    names: list[str | None]
    if sent.count is not None and sent.devices is None:
        pattern = read_pattern(sent.id_pattern) if sent.id_pattern is not None else options.id_pattern
        if pattern is None:
            raise InvalidValue("Say in idPattern how the devices are named, such as meter-{seq:05d}.")
        added = await pools.fill_by_pattern(profile, pattern, sent.count, actor=call.actor)
        names = [None] * len(added)
    elif sent.devices is not None and sent.count is None:
        drafts = [
            (DeviceDraft(name=each.name, credentials=nobodys_credentials()), each.hardware_id)
            for each in sent.devices
        ]
        added = await pools.fill(profile, drafts, actor=call.actor)
        names = [each.name for each in sent.devices]
    else:
        raise InvalidValue("Give either count or devices.")
    return Filled(
        added=sum(isinstance(each, Device) for each in added),
        ready=await pools.ready(profile),
        failed=[
            _not_added(name, each) for name, each in zip(names, added, strict=True) if isinstance(each, Exception)
        ],
    )


@operation(
    "POST",
    "/api/firstboot/devices/{deviceId:uuid}/return-to-pool",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("devices:write"),
    status=204,
)
async def take_back(call: Call) -> None:
    """Take a device of a pool from its hardware: what that was given opens nothing any more.

    The device is ready for the next hardware then, or for the one for which it is reserved.
    """
    await call.services.pools.release(await device_in_path(call), actor=call.actor)


OPERATIONS = (members, fill, take_back)


def _not_added(name: str | None, error: Exception) -> NotAdded:
    if not isinstance(error, FirstbootError):
        raise error
    return NotAdded(name=name, message=str(error))


async def _public_ids(call: Call, profile: DeviceProfile, ids: Sequence[int]) -> dict[int, UUID]:
    if not ids:
        return {}
    query = DeviceQuery(
        tenant_id=profile.tenant_id,
        profile_id=profile.id,
        after_id=ids[0] - 1,
        limit=ids[-1] - ids[0] + 1,
    )
    return {device.id: device.public_id for device in await call.services.devices.list(query)}
