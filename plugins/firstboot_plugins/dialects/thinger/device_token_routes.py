"""Device tokens over REST (contract 2.8)."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from firstboot.model import Device
from firstboot_plugins.dialects.thinger.device_tokens import device_token_told, read_device_token
from firstboot_plugins.dialects.thinger.errors import ThingerError, not_found
from firstboot_plugins.dialects.thinger.http import Call, route
from firstboot_plugins.dialects.thinger.shared import Thinger

_PATH = "/v1/users/{user}/devices/{device}/tokens"


def routes(thinger: Thinger) -> list[Route]:
    """Return the routes of device tokens."""
    return [
        route(thinger, _PATH, "GET", _list),
        route(thinger, _PATH, "POST", _create),
        route(thinger, f"{_PATH}/{{token}}", "DELETE", _delete),
    ]


async def _list(call: Call) -> Any:
    device = await _device(call, "ListDeviceTokens")
    return [device_token_told(known) for known in call.thinger.device_tokens.of_device(device)]


async def _create(call: Call) -> Any:
    thinger, asker = call.thinger, call.asker
    device = await _device(call, "CreateDeviceToken")
    wanted = read_device_token(call.body)
    if len(thinger.directory.of_account(asker.account.id)) >= thinger.config.max_tokens:
        raise ThingerError(400, "token limit reached")
    now_ms = thinger.services.clock.now_ms()
    if wanted.expires_at_ms is not None and wanted.expires_at_ms <= now_ms:
        raise ThingerError(400, "token_expiration is in the past")
    made = await thinger.device_tokens.create(asker.account, device, wanted, now_ms, actor=asker.actor)
    return {"id": made.token.name, "name": wanted.name, "token": made.secret.reveal()}


async def _delete(call: Call) -> Any:
    device = await _device(call, "DeleteDeviceToken")
    await call.thinger.device_tokens.delete(device, call.params["token"], actor=call.asker.actor)
    return {}


async def _device(call: Call, action: str) -> Device:
    name = call.params["device"]
    call.asker.check("Device", name, action)
    device = await call.thinger.services.storage.find_device(call.asker.account.id, name)
    if device is None:
        raise not_found()
    return device
