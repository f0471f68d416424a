"""ThingsBoard's pages of devices (contract 5.3, 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from firstboot.errors import InvalidValue
from firstboot.model import Device
from firstboot.storage import DevicePageQuery, Page
from firstboot_plugins.admin.operation import Call, operation, tenant_admins, tenant_people
from firstboot_plugins.admin.thingsboard.device_access import customer_of, device_by_name
from firstboot_plugins.admin.thingsboard.device_shapes import DeviceInfoShape, DeviceShape, DeviceShapes
from firstboot_plugins.admin.thingsboard.devices import TAG, shown
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.paging import PageData, PageParameters, page_data
from firstboot_plugins.admin.thingsboard.shapes import Text

SORTABLE = {
    "createdTime": "created_at_ms",
    "name": "name",
    "label": "label",
    "type": "profile",
    "deviceProfileName": "profile",
}


class DevicePageParameters(PageParameters):
    """Query of a page of devices."""

    type: Text | None = None
    """Only devices of the profile of this name."""
    device_profile_id: UUID | None = None


class DeviceInfoPageParameters(DevicePageParameters):
    """Query of a page of devices with what a list shows beside them."""

    active: bool | None = None
    """Only devices that have a session on this server."""


class TenantDevicesParameters(PageParameters):
    """Query of a call that is two in one: a page, or without page numbers the device of a name."""

    page_size: Annotated[int, Field(ge=1, le=1000)] | None = None  # type: ignore[assignment]
    page: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None  # type: ignore[assignment]
    type: Text | None = None
    device_name: Annotated[str, Field(min_length=1, max_length=255)] | None = None


@operation(
    "GET",
    "/api/tenant/devices",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins("devices:read"),
    query=TenantDevicesParameters,
    answers=PageData[DeviceShape] | DeviceShape,
)
async def get_tenant_devices(call: Call) -> object:
    """Return a page of the tenant's devices; with ``deviceName`` and no page numbers, the device of that name."""
    asked: TenantDevicesParameters = call.query
    if asked.device_name is not None and asked.page_size is None and asked.page is None:
        return await shown(call, await device_by_name(call, asked.device_name))
    if asked.page_size is None or asked.page is None:
        raise InvalidValue("The parameters pageSize and page are required!")
    page, shapes = await _page(call, asked, type_=asked.type)
    return page_data(page, [shapes.shape(device) for device in page.rows], asked)


@operation(
    "GET",
    "/api/tenant/deviceInfos",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins("devices:read"),
    query=DeviceInfoPageParameters,
    answers=PageData[DeviceInfoShape],
)
async def get_tenant_device_infos(call: Call) -> object:
    """Return a page of the tenant's devices, with their customers and whether they are connected."""
    return await _infos(call, None)


get_all_device_infos = operation(
    "GET",
    "/api/deviceInfos/all",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins("devices:read"),
    query=DeviceInfoPageParameters,
    answers=PageData[DeviceInfoShape],
)(get_tenant_device_infos.run)
"""The same under the address that tb-rest-client 4.4 uses."""


@operation(
    "GET",
    "/api/customer/{customerId:uuid}/devices",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_people("devices:read"),
    query=DevicePageParameters,
    answers=PageData[DeviceShape],
)
async def get_customer_devices(call: Call) -> object:
    """Return a page of a customer's devices."""
    asked: DevicePageParameters = call.query
    customer = await customer_of(call, call.path["customerId"])
    page, shapes = await _page(
        call, asked, type_=asked.type, profile_id=asked.device_profile_id, customer_id=customer.id
    )
    return page_data(page, [shapes.shape(device) for device in page.rows], asked)


@operation(
    "GET",
    "/api/customer/{customerId:uuid}/deviceInfos",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_people("devices:read"),
    query=DeviceInfoPageParameters,
    answers=PageData[DeviceInfoShape],
)
async def get_customer_device_infos(call: Call) -> object:
    """Return a page of a customer's devices, with whether they are connected."""
    customer = await customer_of(call, call.path["customerId"])
    return await _infos(call, customer.id)


async def _infos(call: Call, customer_id: int | None) -> PageData[Any]:
    asked: DeviceInfoPageParameters = call.query
    page, shapes = await _page(
        call,
        asked,
        type_=asked.type,
        profile_id=asked.device_profile_id,
        customer_id=customer_id,
        active=asked.active,
    )
    return page_data(page, [shapes.info(device) for device in page.rows], asked)


async def _page(
    call: Call,
    asked: PageParameters,
    *,
    type_: str | None,
    profile_id: UUID | None = None,
    customer_id: int | None = None,
    active: bool | None = None,
) -> tuple[Page[Device], DeviceShapes]:
    filters: dict[str, Any] = {"customer_id": customer_id}
    if active is not None:
        filters["ids" if active else "not_ids"] = call.services.sessions.ids("device")
    rows: Sequence[Device] = ()
    page: Page[Device] = Page(rows, 0)
    chosen = await _profile_ids(call, type_, profile_id)
    if chosen != []:
        query = DevicePageQuery(
            tenant_id=call.tenant_id, profile_id=chosen[0] if chosen else None, **filters, **asked.fields(SORTABLE)
        )
        page = await call.services.devices.page(query)
    return page, await DeviceShapes.of(call.services, call.tenant_id, page.rows)


async def _profile_ids(call: Call, type_: str | None, public_id: UUID | None) -> list[int] | None:
    """Return the profile that is asked for, none when there is no such one; None when all are."""
    if not type_ and public_id is None:
        return None
    return [
        profile.id
        for profile in await call.services.profiles.all(call.tenant_id)
        if (not type_ or profile.name == type_) and public_id in (None, profile.public_id)
    ]


OPERATIONS = (
    get_tenant_devices,
    get_tenant_device_infos,
    get_all_device_infos,
    get_customer_devices,
    get_customer_device_infos,
)
