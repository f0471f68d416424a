"""What a customer does with devices that are the customer's already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from firstboot.errors import NotFound, VersionConflict
from firstboot.model import Device
from firstboot.storage import DeviceQuery
from firstboot_plugins.admin.claim_refusals import held_back
from firstboot_plugins.admin.operation import Call, customer_users, operation
from firstboot_plugins.admin.own.cursors import MAX_CURSOR_LENGTH, make_cursor, read_cursor
from firstboot_plugins.admin.own.customer_devices import CustomerDevice, DeviceAnswer, answered, told
from firstboot_plugins.admin.own.in_path import device_in_path
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Asked, Sent, Told

TAG = "My devices"
_LIST = "my-devices"
_ALL = "/api/firstboot/my/devices"
_ONE = f"{_ALL}/{{deviceId:uuid}}"


class MyDevices(Told):
    """Devices of the asker's customer, in the order in which they were made."""

    devices: Sequence[CustomerDevice]
    cursor: str | None
    """Ask again with it for what follows; null: nothing follows."""


class MyDevicesFilter(Asked):
    """Which devices to list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=MAX_CURSOR_LENGTH)] | None = None


class LabelChange(Sent):
    """What a customer calls a device."""

    label: Annotated[str, Field(max_length=255)] | None
    """Null, or empty: it has no label."""


class Offered(Told):
    """With what the next owner claims a device. It is shown once."""

    secret_key: str
    until_ms: int


@operation(
    "GET",
    _ALL,
    dialect=FIRSTBOOT,
    tag=TAG,
    access=customer_users(),
    browser=True,
    query=MyDevicesFilter,
    answers=MyDevices,
)
async def list_my_devices(call: Call) -> MyDevices:
    """List the devices of the asker's customer."""
    asked: MyDevicesFilter = call.query
    services, keyring = call.services, call.services.core.keyring
    query = DeviceQuery(
        tenant_id=call.tenant_id,
        customer_id=call.customer_id,
        after_id=0 if asked.cursor is None else read_cursor(keyring, _LIST, asked.cursor),
        limit=asked.limit,
    )
    found = await services.devices.list(query)
    more = len(found) == asked.limit
    cursor = make_cursor(keyring, _LIST, found[-1].id) if more else None
    return MyDevices(devices=await told(services, found), cursor=cursor)


@operation(
    "PATCH",
    _ONE,
    dialect=FIRSTBOOT,
    tag=TAG,
    access=customer_users(),
    browser=True,
    body=LabelChange,
    answers=DeviceAnswer,
)
async def label_my_device(call: Call) -> DeviceAnswer:
    """Give a device the label by which its owner knows it."""
    sent: LabelChange = call.body
    while True:
        device = await _mine(call)
        try:
            changed = await call.services.devices.update(
                replace(device, label=sent.label), expected_version=device.version, actor=call.actor
            )
        except VersionConflict:  # perhaps it has another owner now: it is looked for once more
            continue
        return await answered(call.services, changed)


@operation(
    "POST", f"{_ONE}/release", dialect=FIRSTBOOT, tag=TAG, access=customer_users(), browser=True, status=204
)
async def release_my_device(call: Call) -> None:
    """Give a device back: it is nobody's then."""
    device = await _mine(call)
    async with held_back(call):
        await call.services.releasing.release(call.user, device.name, call.origin)


@operation(
    "POST", f"{_ONE}/offer", dialect=FIRSTBOOT, tag=TAG, access=customer_users(), browser=True, answers=Offered
)
async def offer_my_device(call: Call) -> Offered:
    """Make a secret with which another customer claims a device; it stays the asker's until then."""
    device = await _mine(call)
    window = await call.services.releasing.offer(call.user, device, call.origin)
    return Offered(secret_key=window.secret.reveal(), until_ms=window.until_ms)


@operation(
    "DELETE", f"{_ONE}/offer", dialect=FIRSTBOOT, tag=TAG, access=customer_users(), browser=True, status=204
)
async def withdraw_my_device(call: Call) -> None:
    """Let nobody claim a device any more that was offered."""
    await call.services.releasing.withdraw(call.user, await _mine(call))


async def _mine(call: Call) -> Device:
    """Return the device that the path names.

    Raises: `NotFound`, also of a device that is another's (threat CM-6).
    """
    device = await device_in_path(call)
    if device.customer_id is None or device.customer_id != call.customer_id:
        raise NotFound(f"Device with id [{device.public_id}] is not found")
    return device


OPERATIONS = (list_my_devices, label_my_device, release_my_device, offer_my_device, withdraw_my_device)
