"""Calls about what everybody of a tenant may know of its device profiles (contract 5.4)."""

from __future__ import annotations

from collections.abc import Sequence

from firstboot_plugins.admin.operation import Call, Operation, operation, tenant_people
from firstboot_plugins.admin.thingsboard import device_profile_mapping as mapping
from firstboot_plugins.admin.thingsboard.device_profile_pages import page_of
from firstboot_plugins.admin.thingsboard.device_profile_shapes import ProfileInfo, ProfileName, TransportType
from firstboot_plugins.admin.thingsboard.device_profiles import TAG
from firstboot_plugins.admin.thingsboard.entity_ids import EntityType, entity_id
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.paging import PageData, PageParameters, page_data
from firstboot_plugins.admin.thingsboard.shapes import Shape
from firstboot_plugins.admin.thingsboard.tenancy import tenant_uuid

_ACCESS = tenant_people("profiles:read")


class InfoPageParameters(PageParameters):
    """A page, of profiles of one transport when that is given."""

    transport_type: TransportType | None = None


class NameParameters(Shape):
    """Which profiles."""

    active_only: bool = False
    """Only those that have devices."""


@operation(
    "GET",
    "/api/deviceProfileInfos",
    dialect=THINGSBOARD,
    tag=TAG,
    access=_ACCESS,
    query=InfoPageParameters,
    answers=PageData[ProfileInfo],
)
async def get_device_profile_infos(call: Call) -> PageData[ProfileInfo]:
    """List names and kinds of the tenant's device profiles, page by page."""
    wanted: TransportType | None = call.query.transport_type
    profiles = [
        profile
        for profile in await call.services.profiles.all(call.tenant_id)
        if wanted is None or mapping.transport_type_of(profile) is wanted
    ]
    page = page_of(profiles, call.query)
    tenant = await tenant_uuid(call.services, call.tenant_id)
    return page_data(page, [mapping.info(profile, tenant) for profile in page.rows], call.query)


@operation(
    "GET", "/api/deviceProfileInfo/default", dialect=THINGSBOARD, tag=TAG, access=_ACCESS, answers=ProfileInfo
)
async def get_default_device_profile_info(call: Call) -> ProfileInfo:
    """Return the device profile that devices get when none is named."""
    profile = await call.services.profiles.default(call.tenant_id)
    return mapping.info(profile, await tenant_uuid(call.services, call.tenant_id))


@operation(
    "GET",
    "/api/deviceProfileInfo/{deviceProfileId:uuid}",
    dialect=THINGSBOARD,
    tag=TAG,
    access=_ACCESS,
    answers=ProfileInfo,
)
async def get_device_profile_info(call: Call) -> ProfileInfo:
    """Return name and kind of a device profile."""
    profile = await call.services.profiles.by_public_id(call.tenant_id, call.path["deviceProfileId"])
    return mapping.info(profile, await tenant_uuid(call.services, call.tenant_id))


@operation(
    "GET",
    "/api/deviceProfile/names",
    dialect=THINGSBOARD,
    tag=TAG,
    access=_ACCESS,
    query=NameParameters,
    answers=list[ProfileName],
)
async def get_device_profile_names(call: Call) -> Sequence[ProfileName]:
    """Return the names of the tenant's device profiles."""
    services = call.services
    return [
        ProfileName(id=entity_id(EntityType.DEVICE_PROFILE, profile.public_id), name=profile.name)
        for profile in sorted(await services.profiles.all(call.tenant_id), key=lambda each: each.name.casefold())
        if not call.query.active_only or await services.storage.count_devices(profile.id)
    ]


OPERATIONS: tuple[Operation, ...] = (
    get_device_profile_infos,
    get_default_device_profile_info,
    get_device_profile_info,
    get_device_profile_names,
)
