"""ThingsBoard's calls about the credentials of a device (contract 3.1, 5.4)."""

from __future__ import annotations

from uuid import UUID

from firstboot.errors import InvalidValue
from firstboot.model import Credentials, Device
from firstboot.mqtt_passwords import readable_value
from firstboot_plugins.admin.operation import Call, operation, tenant_admins, tenant_people
from firstboot_plugins.admin.thingsboard import credential_records
from firstboot_plugins.admin.thingsboard.device_access import device_of
from firstboot_plugins.admin.thingsboard.devices import DEVICE, TAG
from firstboot_plugins.admin.thingsboard.entity_ids import EntityId, EntityType, GivenId, entity_id
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.shapes import Shape


class RecordId(Shape):
    """The id of a record. Unlike other ids it does not say of what."""

    id: UUID


class CredentialsShape(Shape):
    """What a device logs in with."""

    id: RecordId
    created_time: int
    device_id: EntityId
    credentials_type: str
    credentials_id: str
    credentials_value: str | None
    version: int = 1


class CredentialsBody(Shape):
    """What a device is to log in with from now on."""

    id: GivenId | None = None
    device_id: GivenId
    credentials_type: str
    credentials_id: str | None = None
    credentials_value: str | None = None


def _shown(device: Device, credentials: Credentials) -> CredentialsShape:
    return CredentialsShape(
        id=RecordId(id=credential_records.record_id(device.public_id)),
        created_time=device.created_at_ms,
        device_id=entity_id(EntityType.DEVICE, device.public_id),
        credentials_type=credentials.type,
        credentials_id=credentials.id,
        credentials_value=readable_value(credentials),
    )


@operation(
    "GET",
    f"{DEVICE}/credentials",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_people("devices:read"),
    answers=CredentialsShape,
)
async def get_credentials(call: Call) -> object:
    """Return what a device logs in with."""
    device = await device_of(call, call.path["deviceId"])
    return _shown(device, await call.services.devices.credentials(device))


@operation(
    "POST",
    "/api/device/credentials",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins("devices:write"),
    body=CredentialsBody,
    answers=CredentialsShape,
)
async def save_credentials(call: Call) -> object:
    """Replace what a device logs in with; its sessions end.

    Takes the whole record with its id, as it was read before. A password that is not shown stays when it is not
    given.
    """
    body: CredentialsBody = call.body
    device = await device_of(call, body.device_id.id)
    if body.id is None:
        raise InvalidValue("Credentials for this device are already specified!")
    if body.id.id != credential_records.record_id(device.public_id):
        raise InvalidValue("Unable to update non-existent device credentials!")
    credentials = credential_records.read(body.credentials_type, body.credentials_id, body.credentials_value)
    await call.services.devices.change_credentials(device, credentials, actor=call.actor)
    return _shown(device, await call.services.devices.credentials(device))


OPERATIONS = (get_credentials, save_credentials)
