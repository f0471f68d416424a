"""Which profile a device gets: ThingsBoard's device ``type`` is the name of one (contract 5.4)."""

from __future__ import annotations

from uuid import UUID

from firstboot.errors import AlreadyExists
from firstboot.model import DeviceProfile
from firstboot.names import clean_name
from firstboot_plugins.admin.failures import forbidden
from firstboot_plugins.admin.operation import Call
from firstboot_plugins.admin.thingsboard.device_shapes import DeviceBody
from firstboot_plugins.admin.thingsboard.entity_ids import given, not_found


async def chosen_profile(call: Call, body: DeviceBody) -> DeviceProfile | None:
    """Return the profile that a device names, by id or by ``type``; None when it names none.

    Raises: `NotFound`, `InvalidValue`, `Failure` (403).
    """
    public_id = given(body.device_profile_id)
    if public_id is not None:
        for profile in await call.services.profiles.all(call.tenant_id):
            if profile.public_id == public_id:
                return profile
        raise not_found("Device profile", public_id)
    if body.type and body.type.strip():
        return await profile_named(call, body.type)
    return None


async def profile_named(call: Call, type_: str) -> DeviceProfile:
    """Return the profile of this name; one that lets no device provision itself is made when there is none.

    Raises: `InvalidValue`, `Failure` (403) for API tokens that may not make profiles.
    """
    name = clean_name(type_, "device type")
    profiles = call.services.profiles
    found = await _by_name(call, name)
    if found is not None:
        return found
    if not call.identity.may("profiles:write"):
        raise forbidden()
    draft = DeviceProfile(
        id=0,
        public_id=UUID(int=0),
        tenant_id=call.tenant_id,
        name=name,
        strategy="disabled",
        provision_key=None,
        secret_digest=None,
        secret_sealed=None,
    )
    try:
        return await profiles.save_new(draft, secret=None, actor=call.actor)
    except AlreadyExists:  # by somebody else, a moment ago
        found = await _by_name(call, name)
        if found is None:
            raise
        return found


async def _by_name(call: Call, name: str) -> DeviceProfile | None:
    profiles = await call.services.profiles.all(call.tenant_id)
    return next((profile for profile in profiles if profile.name == name), None)
