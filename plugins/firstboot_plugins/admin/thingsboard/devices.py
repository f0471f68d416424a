"""ThingsBoard's calls about single devices (contract 5.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from firstboot.devices import DeviceDraft
from firstboot.errors import InvalidValue, VersionConflict
from firstboot.model import GATEWAY, Credentials, Device
from firstboot_plugins.admin.failures import forbidden
from firstboot_plugins.admin.operation import Call, operation, tenant_admins, tenant_people
from firstboot_plugins.admin.thingsboard import credential_records
from firstboot_plugins.admin.thingsboard.device_access import customer_of, device_by_name, device_of
from firstboot_plugins.admin.thingsboard.device_shapes import (
    DeviceBody,
    DeviceInfoShape,
    DeviceShape,
    DeviceShapes,
    JsonObject,
)
from firstboot_plugins.admin.thingsboard.entity_ids import given
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.profile_choice import chosen_profile
from firstboot_plugins.admin.thingsboard.shapes import Shape

TAG = "Devices"
DEVICE = "/api/device/{deviceId:uuid}"


class SaveParameters(Shape):
    """Query of a call that saves a device."""

    access_token: Annotated[str, Field(max_length=credential_records.MAX_ID_LENGTH)] | None = None
    """Token of a device that is new; it does not count for one that exists."""


class GivenCredentials(Shape):
    """Credentials of a new device."""

    credentials_type: str = credential_records.ACCESS_TOKEN
    credentials_id: str | None = None
    credentials_value: str | None = None


class DeviceWithCredentials(Shape):
    """A new device and what it logs in with."""

    device: DeviceBody
    credentials: GivenCredentials | None = None


class DeviceName(Shape):
    """Query of a call that finds a device by name."""

    device_name: Annotated[str, Field(min_length=1, max_length=255)]


async def shown(call: Call, device: Device) -> DeviceShape:
    """Return a device in its shape."""
    return (await DeviceShapes.of(call.services, call.tenant_id, [device])).shape(device)


@operation(
    "POST",
    "/api/device",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_people("devices:create"),
    query=SaveParameters,
    body=DeviceBody,
    answers=DeviceShape,
)
async def save_device(call: Call) -> object:
    """Create a device, or change the one whose id is given.

    Users of a customer may change devices of their own. An API token needs ``devices:write`` to change one.
    """
    body: DeviceBody = call.body
    public_id = given(body.id)
    if public_id is None:
        token = call.query.access_token
        credentials = credential_records.access_token(token) if token else credential_records.new_access_token()
        return await shown(call, await _create(call, body, credentials))
    if not call.identity.may("devices:write"):
        raise forbidden()
    while True:
        device = await device_of(call, public_id)
        if body.version is not None and body.version != device.version:
            raise VersionConflict("Somebody else has changed the device since it was read.")
        try:
            return await shown(call, await _change(call, device, body))
        except VersionConflict:
            if body.version is not None:
                raise


@operation(
    "POST",
    "/api/device-with-credentials",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins("devices:create"),
    body=DeviceWithCredentials,
    answers=DeviceShape,
)
async def save_device_with_credentials(call: Call) -> object:
    """Create a device with credentials of a type of choice."""
    body: DeviceWithCredentials = call.body
    if given(body.device.id) is not None:
        raise InvalidValue("Save a device that exists and its credentials one after the other!")
    wanted = body.credentials
    if wanted is None:
        credentials = credential_records.new_access_token()
    else:
        credentials = credential_records.read(
            wanted.credentials_type, wanted.credentials_id, wanted.credentials_value
        )
    return await shown(call, await _create(call, body.device, credentials))


async def _create(call: Call, body: DeviceBody, credentials: Credentials) -> Device:
    if call.customer_id is not None:
        raise forbidden()
    name = _name(body)
    customer_id = given(body.customer_id)
    customer = None if customer_id is None else await customer_of(call, customer_id)
    profile = await chosen_profile(call, body) or await call.services.profiles.default(call.tenant_id)
    draft = DeviceDraft(
        name=name,
        credentials=credentials,
        label=body.label,
        customer_id=customer.id if customer else None,
        additional_info=body.additional_info,
        details=body.details(),
    )
    return await call.services.devices.create(profile, draft, actor=call.actor)


async def _change(call: Call, device: Device, body: DeviceBody) -> Device:
    changed = replace(
        device,
        name=_name(body),
        label=body.label,
        additional_info=body.additional_info,
        details=body.details(),
    )
    services, version = call.services, device.version
    if call.customer_id is not None:  # a customer cannot pass a device on, or make another kind of it
        changed = replace(changed, name=device.name, additional_info=_as_gateway(device, body.additional_info))
        return await services.devices.update(changed, expected_version=version, actor=call.actor)
    customer_id = given(body.customer_id)
    customer = None if customer_id is None else await customer_of(call, customer_id)
    profile = await chosen_profile(call, body)
    moved = profile if profile is not None and profile.id != device.profile_id else None
    # What the body does not say stays as it was read; somebody may have disabled the device meanwhile.
    changed = await services.devices.update(changed, expected_version=version, actor=call.actor, profile=moved)
    if changed.customer_id == (customer.id if customer else None):
        return changed
    return await services.ownership.assign(changed, customer, actor=call.actor)


def _as_gateway(device: Device, info: JsonObject | None) -> JsonObject | None:
    """Return additional information that a customer sends, where a gateway stays one and nothing else becomes one.

    Who is a gateway makes devices in the whole tenant, and speaks for them (threats LG-8, MQ-8).
    """
    kept = {key: value for key, value in (info or {}).items() if key != GATEWAY}
    if GATEWAY in (device.additional_info or {}):
        kept[GATEWAY] = (device.additional_info or {})[GATEWAY]
    return kept or None


def _name(body: DeviceBody) -> str:
    if body.name is None or not body.name.strip():
        raise InvalidValue("Device name should be specified!")
    return body.name


@operation("GET", DEVICE, dialect=THINGSBOARD, tag=TAG, access=tenant_people("devices:read"), answers=DeviceShape)
async def get_device(call: Call) -> object:
    """Return a device."""
    return await shown(call, await device_of(call, call.path["deviceId"]))


@operation(
    "GET",
    "/api/device/info/{deviceId:uuid}",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_people("devices:read"),
    answers=DeviceInfoShape,
)
async def get_device_info(call: Call) -> object:
    """Return a device with the title of its customer and whether it is connected."""
    device = await device_of(call, call.path["deviceId"])
    return (await DeviceShapes.of(call.services, call.tenant_id, [device])).info(device)


@operation("DELETE", DEVICE, dialect=THINGSBOARD, tag=TAG, access=tenant_admins("devices:write"))
async def delete_device(call: Call) -> object:
    """Delete a device with all that belongs to it; its sessions end."""
    await call.services.devices.delete(await device_of(call, call.path["deviceId"]), actor=call.actor)
    return None


@operation(
    "GET",
    "/api/tenant/device",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins("devices:read"),
    query=DeviceName,
    answers=DeviceShape,
)
async def get_tenant_device(call: Call) -> object:
    """Return the device of this name."""
    return await shown(call, await device_by_name(call, call.query.device_name))


OPERATIONS = (
    save_device,
    save_device_with_credentials,
    get_device,
    get_device_info,
    delete_device,
    get_tenant_device,
)
