"""``/thingstream/v1/profiles``: profiles, for administrators of the tenant (contract section 3)."""

from __future__ import annotations

from collections.abc import Sequence

from firstboot.model import DeviceProfile
from firstboot.secret import Secret
from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Told
from firstboot_plugins.admin.public_url import public_url
from firstboot_plugins.dialects.thingstream.profile_shapes import (
    Codes,
    NewProfile,
    ProfileChange,
    ProfileTold,
    applied,
    check_device_type,
    profile_told,
)
from firstboot_plugins.dialects.thingstream.services import Thingstream
from firstboot_plugins.dialects.thingstream.settings import Settings
from firstboot_plugins.dialects.thingstream.whitelist import listed

TAG = "Thingstream"
_ALL = "/thingstream/v1/profiles"
ONE = f"{_ALL}/{{profile}}"
_READ, _WRITE = tenant_admins("profiles:read"), tenant_admins("profiles:write")


class ProfileList(Told):
    """All profiles of the tenant, in the order in which they were made."""

    profiles: Sequence[ProfileTold]


@operation("GET", _ALL, dialect=FIRSTBOOT, tag=TAG, access=_READ, answers=ProfileList)
async def list_profiles(call: Call) -> ProfileList:
    """List the tenant's Thingstream profiles."""
    all_of_them = await Thingstream.of(call.services).profiles.all(call.tenant_id)
    return ProfileList(profiles=[await _told(call, *each) for each in all_of_them])


@operation(
    "POST", _ALL, dialect=FIRSTBOOT, tag=TAG, access=_WRITE, body=NewProfile, answers=ProfileTold, status=201
)
async def create_profile(call: Call) -> ProfileTold:
    """Make a profile with a token, which is shown this once."""
    sent: NewProfile = call.body
    thingstream = Thingstream.of(call.services)
    profile, text = await thingstream.profiles.create(
        call.tenant_id,
        sent.profile,
        applied(sent, Settings(device_type=sent.device_type)),
        title=sent.name or "",
        max_things=sent.max_things or 0,
        expires_ms=sent.expires,
        hardware_codes=sent.hardware_codes,
        actor=call.actor,
    )
    return await as_changed(call, profile, text)


@operation("GET", ONE, dialect=FIRSTBOOT, tag=TAG, access=_READ, answers=ProfileTold)
async def show_profile(call: Call) -> ProfileTold:
    """Show a profile, without the texts of its tokens."""
    return await _told(call, *await profile_in_path(call))


@operation("PUT", ONE, dialect=FIRSTBOOT, tag=TAG, access=_WRITE, body=ProfileChange, answers=ProfileTold)
async def change_profile(call: Call) -> ProfileTold:
    """Change a profile. Things that exist stay as they are."""
    sent: ProfileChange = call.body
    profile, settings = await profile_in_path(call)
    check_device_type(sent, settings)
    profiles = Thingstream.of(call.services).profiles
    profile, _ = await profiles.change(
        profile,
        lambda settings: applied(sent, settings),
        title=sent.name,
        max_things=sent.max_things,
        actor=call.actor,
    )
    if "hardware_codes" in sent.model_fields_set:
        profile = await profiles.set_hardware_codes(profile, sent.hardware_codes, actor=call.actor)
    return await as_changed(call, profile)


@operation(
    "PUT",
    f"{ONE}/hardware-codes",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=_WRITE,
    body=Codes,
    answers=ProfileTold,
)
async def set_hardware_codes(call: Call) -> ProfileTold:
    """Keep a profile to these hardware codes."""
    sent: Codes = call.body
    profile, _ = await profile_in_path(call)
    profiles = Thingstream.of(call.services).profiles
    return await as_changed(
        call, await profiles.set_hardware_codes(profile, sent.hardware_codes, actor=call.actor)
    )


@operation("DELETE", ONE, dialect=FIRSTBOOT, tag=TAG, access=_WRITE, status=204)
async def delete_profile(call: Call) -> None:
    """Delete a profile with its tokens. Its Things go on."""
    profile, _ = await profile_in_path(call)
    await Thingstream.of(call.services).profiles.delete(profile, actor=call.actor)
    await call.services.provisioning.reload_profiles()


OPERATIONS = (list_profiles, create_profile, show_profile, change_profile, set_hardware_codes, delete_profile)


async def profile_in_path(call: Call) -> tuple[DeviceProfile, Settings]:
    """Return the profile that the path names, in the asker's tenant.

    Raises: `NotFound`.
    """
    return await Thingstream.of(call.services).profiles.get(call.tenant_id, call.path["profile"])


async def as_changed(call: Call, profile: DeviceProfile, text: Secret | None = None) -> ProfileTold:
    """Return a profile as it is now; devices that ask from now on see the change."""
    await call.services.provisioning.reload_profiles()
    profile, settings = await Thingstream.of(call.services).profiles.get(call.tenant_id, profile.name)
    return await _told(call, profile, settings, text)


async def _told(call: Call, profile: DeviceProfile, settings: Settings, text: Secret | None = None) -> ProfileTold:
    services = call.services
    return profile_told(
        profile,
        settings,
        codes=await listed(services.storage, profile) if settings.whitelisted else None,
        things=await services.storage.count_devices(profile.id),
        uses=await Thingstream.of(services).uses.of(profile),
        base_url=public_url(services),
        clock=services.clock,
        text=text,
    )
