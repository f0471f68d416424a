"""REST calls of devices (contract sections 4, 11, 12.1)."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from firstboot_plugins.dialects.thinger.callbacks import Callbacks
from firstboot_plugins.dialects.thinger.device_properties import DeviceProperties
from firstboot_plugins.dialects.thinger.http import Call, json_answer, route
from firstboot_plugins.dialects.thinger.list_query import ListQuery
from firstboot_plugins.dialects.thinger.shared import Thinger

DEVICES = "/v1/users/{user}/devices"
DEVICE = f"{DEVICES}/{{device}}"
CALLBACK = "/v3/users/{user}/devices/{device}/callback"
PROPERTIES = "/v3/users/{user}/devices/{device}/properties"


def device_routes(thinger: Thinger) -> list[Route]:
    """Return the routes of devices."""
    return [
        route(thinger, f"{DEVICE}/ensure", "POST", _ensure, provisioning=True),
        route(thinger, DEVICES, "POST", _create, provisioning=True),
        route(thinger, DEVICES, "GET", _list),
        route(thinger, DEVICE, "GET", _get),
        route(thinger, DEVICE, "PUT", _update),
        route(thinger, DEVICE, "POST", _update),  # as the monitor daemon does
        route(thinger, DEVICE, "DELETE", _delete),
        route(thinger, f"{DEVICE}/stats", "GET", _stats),
        *_callback_routes(thinger),
        *_property_routes(thinger),
    ]


async def _list(call: Call) -> Any:
    return await call.thinger.devices.list(call.asker, ListQuery.of(call.query))


async def _create(call: Call) -> Any:
    return await call.thinger.devices.create(call.asker, call.body)


async def _get(call: Call) -> Any:
    return await call.thinger.devices.get(call.asker, call.params["device"])


async def _update(call: Call) -> Any:
    return await call.thinger.devices.update(call.asker, call.params["device"], call.body)


async def _delete(call: Call) -> Any:
    return await call.thinger.devices.delete(call.asker, call.params["device"])


async def _stats(call: Call) -> Any:
    return await call.thinger.devices.stats(call.asker, call.params["device"])


async def _ensure(call: Call) -> Any:
    result = await call.thinger.ensuring.ensure(call.asker, call.params["device"], call.body)
    return json_answer(result.body, result.status)


def _callback_routes(thinger: Thinger) -> list[Route]:
    callbacks = Callbacks(thinger)

    async def data(call: Call) -> Any:
        return await callbacks.take(call.asker, call.params["device"], call.body, call.query.get("ts"))

    async def shown(call: Call) -> Any:
        return await callbacks.get(call.asker, call.params["device"])

    async def set_(call: Call) -> Any:
        return await callbacks.set(call.asker, call.params["device"], call.body)

    return [
        route(thinger, f"{CALLBACK}/data", "POST", data),
        route(thinger, f"{CALLBACK}/data", "GET", data, head=False),
        route(thinger, CALLBACK, "GET", shown),
        route(thinger, CALLBACK, "PUT", set_),
    ]


def _property_routes(thinger: Thinger) -> list[Route]:
    properties = DeviceProperties(thinger)

    async def listed(call: Call) -> Any:
        return await properties.list(call.asker, call.params["device"])

    async def made(call: Call) -> Any:
        return await properties.set(call.asker, call.params["device"], call.body)

    async def shown(call: Call) -> Any:
        return await properties.get(call.asker, call.params["device"], call.params["property"])

    async def set_(call: Call) -> Any:
        name = call.params["property"]
        return await properties.set(call.asker, call.params["device"], call.body, name)

    async def deleted(call: Call) -> Any:
        return await properties.delete(call.asker, call.params["device"], call.params["property"])

    one = f"{PROPERTIES}/{{property}}"
    return [
        route(thinger, PROPERTIES, "GET", listed),
        route(thinger, PROPERTIES, "POST", made),
        route(thinger, one, "GET", shown),
        route(thinger, one, "PUT", set_),
        route(thinger, one, "DELETE", deleted),
    ]
