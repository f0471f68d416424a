"""Calls about device profiles (contract 1, 5.4)."""

from __future__ import annotations

from dataclasses import replace

from firstboot.errors import AlreadyExists, InvalidValue
from firstboot.model import DeviceProfile
from firstboot.profiles import plain_profile
from firstboot_plugins.admin.operation import Call, Operation, operation, tenant_admins
from firstboot_plugins.admin.thingsboard import device_profile_mapping as mapping
from firstboot_plugins.admin.thingsboard.device_profile_pages import page_of
from firstboot_plugins.admin.thingsboard.device_profile_shapes import GivenProfile, Profile, ProvisionType
from firstboot_plugins.admin.thingsboard.entity_ids import given
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.paging import PageData, PageParameters, page_data
from firstboot_plugins.admin.thingsboard.tenancy import tenant_uuid
from firstboot_plugins.strategies.authority_proof import counted, is_alone
from firstboot_plugins.strategies.certificate_options import STRATEGY

TAG = "Device profiles"
_READ = "profiles:read"
_WRITE = "profiles:write"
_PATH = "/api/deviceProfile/{deviceProfileId:uuid}"


@operation(
    "POST",
    "/api/deviceProfile",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins(_WRITE),
    body=GivenProfile,
    answers=Profile,
)
async def save_device_profile(call: Call) -> Profile:
    """Make a device profile, or replace the one whose id is given.

    Of a profile that exists, policies and limits stay as they are: ThingsBoard has none. No key and no secret
    are drawn for one that has none; it provisions nobody.
    """
    sent: GivenProfile = call.body
    mapping.check(sent)
    try:
        profile = await _saved(call, sent)
    except AlreadyExists as error:
        if sent.provision_type is ProvisionType.X509_CERTIFICATE_CHAIN and "device key" in str(error):
            raise AlreadyExists("Device profile with such certificate already exists!") from None
        raise
    await call.services.provisioning.reload_profiles()
    return await _shown(call, profile)


@operation("GET", _PATH, dialect=THINGSBOARD, tag=TAG, access=tenant_admins(_READ), answers=Profile)
async def get_device_profile(call: Call) -> Profile:
    """Return a device profile with its provision secret."""
    return await _shown(call, await _asked_for(call))


@operation("DELETE", _PATH, dialect=THINGSBOARD, tag=TAG, access=tenant_admins(_WRITE))
async def delete_device_profile(call: Call) -> None:
    """Delete a device profile that has no devices and is not the default one."""
    await call.services.profiles.delete(await _asked_for(call), actor=call.actor)
    await call.services.provisioning.reload_profiles()


@operation("POST", f"{_PATH}/default", dialect=THINGSBOARD, tag=TAG, access=tenant_admins(_WRITE), answers=Profile)
async def set_default_device_profile(call: Call) -> Profile:
    """Make a device profile the one that devices get when none is named."""
    profile = await call.services.profiles.set_default(await _asked_for(call), actor=call.actor)
    await call.services.provisioning.reload_profiles()
    return await _shown(call, profile)


@operation(
    "GET",
    "/api/deviceProfiles",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins(_READ),
    query=PageParameters,
    answers=PageData[Profile],
)
async def get_device_profiles(call: Call) -> PageData[Profile]:
    """List the tenant's device profiles, page by page."""
    page = page_of(await call.services.profiles.all(call.tenant_id), call.query)
    return page_data(page, [await _shown(call, profile) for profile in page.rows], call.query)


async def _saved(call: Call, sent: GivenProfile) -> DeviceProfile:
    profiles = call.services.profiles
    proof = mapping.proof(sent)
    public_id = given(sent.id)
    if public_id is None:
        draft = await _counted(call, proof, mapping.applied(sent, plain_profile(call.tenant_id, ""), proof.key))
        return await profiles.save_new(draft, secret=proof.secret, actor=call.actor)
    old = await profiles.by_public_id(call.tenant_id, public_id)
    if sent.type is not mapping.type_of(old) and await _has_devices(call, old):
        raise InvalidValue("Can't change device profile type because devices referenced it!")
    if sent.transport_type is not mapping.transport_type_of(old) and await _has_devices(call, old):
        raise InvalidValue("Can't change device profile transport type because devices referenced it!")
    new = await _counted(call, proof, mapping.applied(sent, old, proof.key))
    if proof.secret != profiles.reveal_secret(old):  # one that stays keeps its grace, and need not be strong
        new = profiles.with_secret(new, proof.secret)
        new = replace(new, previous_secret_digest=None, previous_secret_until_ms=None)
    # Also for who sends no version: a secret or a policy that is changed meanwhile must not be undone.
    version = old.version if sent.version is None else sent.version
    return await profiles.update(new, expected_version=version, actor=call.actor)


async def _counted(call: Call, proof: mapping.Proof, profile: DeviceProfile) -> DeviceProfile:
    """Let the authority of a profile of certificates count where no other tenant can be harmed."""
    if profile.strategy == STRATEGY and proof.secret is not None and await is_alone(call.services.core):
        return counted(profile, proof.secret.reveal())
    return profile


async def _asked_for(call: Call) -> DeviceProfile:
    return await call.services.profiles.by_public_id(call.tenant_id, call.path["deviceProfileId"])


async def _has_devices(call: Call, profile: DeviceProfile) -> bool:
    return await call.services.storage.count_devices(profile.id) > 0


async def _shown(call: Call, profile: DeviceProfile) -> Profile:
    tenant = await tenant_uuid(call.services, call.tenant_id)
    return mapping.shape(profile, tenant, call.services.profiles.reveal_secret(profile))


OPERATIONS: tuple[Operation, ...] = (
    save_device_profile,
    get_device_profile,
    delete_device_profile,
    set_default_device_profile,
    get_device_profiles,
)
