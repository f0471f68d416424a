"""What a device asks for, whatever the transport: attributes, and answers to its calls."""

from __future__ import annotations

from firstboot.app import Services
from firstboot.errors import RpcUnanswered
from firstboot.model import DeviceRef, Origin
from firstboot_plugins.dialects.thingsboard import device_json

ACCESS_TOKEN = "ACCESS_TOKEN"


async def device_of_token(services: Services, token: str) -> DeviceRef | None:
    """Return the device that has this access token, and record its login; None when there is none.

    Raises: `Unavailable`.
    """
    match = (await services.logins.find(token)).get(token)
    if match is None or match.credentials.type != ACCESS_TOKEN:
        return None
    await services.logins.record(match)
    return match.found.device


async def read_attributes(services: Services, device: DeviceRef, wanted: device_json.AttributesWanted) -> bytes:
    """Return the attributes that a device asks for, as it is told them.

    Raises: `Unavailable`.
    """
    found = [
        attribute
        for scope, keys in wanted.groups().items()
        for attribute in await services.attributes.read(device.id, scope, keys)
    ]
    return device_json.attributes_found(found)


async def ask(services: Services, device: DeviceRef, call: device_json.Call, origin: Origin) -> bytes:
    """Return what a device is told of its call; at once that there is no answer when nobody has one."""
    try:
        return device_json.encode(await services.rpc.ask(device, call.method, call.params, origin))
    except RpcUnanswered:
        return device_json.RPC_UNANSWERED
