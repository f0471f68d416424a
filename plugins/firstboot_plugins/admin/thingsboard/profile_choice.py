"""Which profile a device gets: ThingsBoard's device ``type`` is the name of one (contract 5.4)."""

from __future__ import annotations

from contextlib import suppress

from firstboot.errors import NotFound
from firstboot.model import DeviceProfile
from firstboot.names import clean_name
from firstboot_plugins.admin.failures import forbidden
from firstboot_plugins.admin.operation import Call
from firstboot_plugins.admin.thingsboard.device_shapes import DeviceBody
from firstboot_plugins.admin.thingsboard.entity_ids import given


async def chosen_profile(call: Call, body: DeviceBody) -> DeviceProfile | None:
    """Return the profile that a device names, by id or by ``type``; None when it names none.

    Raises: `NotFound`, `InvalidValue`, `Failure` (403).
    """
    public_id = given(body.device_profile_id)
    if public_id is not None:
        return await call.services.profiles.by_public_id(call.tenant_id, public_id)
    if body.type and body.type.strip():
        return await profile_named(call, body.type)
    return None


async def profile_named(call: Call, type_: str) -> DeviceProfile:
    """Return the profile of this name; one that lets no device provision itself is made when there is none.

    Raises: `InvalidValue`, `Failure` (403) for API tokens that may not make profiles.
    """
    name = clean_name(type_, "device type")
    profiles = call.services.profiles
    with suppress(NotFound):
        return await profiles.get(call.tenant_id, name)
    if not call.identity.may("profiles:write"):
        raise forbidden()
    return await profiles.named(call.tenant_id, name, actor=call.actor)
