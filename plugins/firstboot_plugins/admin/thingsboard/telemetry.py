"""ThingsBoard's calls about what devices reported; the newest value of each key is kept."""

from __future__ import annotations

import json
from typing import Any

from firstboot_plugins.admin.operation import Call, operation, tenant_people
from firstboot_plugins.admin.thingsboard.entity_data import DEVICE_DATA, TAG, KeysParameters, device_with_data
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD_TEXT
from firstboot_plugins.admin.thingsboard.shapes import Shape

_READ = tenant_people("telemetry:read")


class ValuesParameters(KeysParameters):
    """Query of a call for values."""

    use_strict_data_types: bool = False
    """Whether values have the type that the device reported; otherwise each is a text."""
    start_ts: int | None = None
    end_ts: int | None = None


class ValueShape(Shape):
    """A value and when it was measured."""

    ts: int
    value: Any


@operation(
    "GET",
    f"{DEVICE_DATA}/values/timeseries",
    dialect=THINGSBOARD_TEXT,
    tag=TAG,
    access=_READ,
    query=ValuesParameters,
    answers=dict[str, list[ValueShape]],
)
async def get_values(call: Call) -> object:
    """Return the newest value of each key, or of those that are asked for.

    A key that is asked for and has no value has null, now. With ``startTs`` and ``endTs`` only values from
    then until before then; older values than the newest are not kept.
    """
    device = await device_with_data(call)
    asked: ValuesParameters = call.query
    keys = asked.names()
    latest = await call.services.telemetry.latest(device.id, keys or None)
    if asked.start_ts is not None or asked.end_ts is not None:
        start, end = asked.start_ts or 0, asked.end_ts
        within = [value for value in latest if start <= value.at_ms and (end is None or value.at_ms < end)]
        return {value.key: [_shown(value.at_ms, value.value, asked)] for value in within}
    now_ms = call.services.clock.now_ms()
    missing = {key: [ValueShape(ts=now_ms, value=None)] for key in keys}
    return missing | {value.key: [_shown(value.at_ms, value.value, asked)] for value in latest}


def _shown(at_ms: int, value: Any, asked: ValuesParameters) -> ValueShape:
    if not asked.use_strict_data_types and not isinstance(value, str):
        value = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return ValueShape(ts=at_ms, value=value)


@operation(
    "GET",
    f"{DEVICE_DATA}/keys/timeseries",
    dialect=THINGSBOARD_TEXT,
    tag=TAG,
    access=_READ,
    answers=list[str],
)
async def get_keys(call: Call) -> object:
    """Return the keys of all that a device has reported."""
    device = await device_with_data(call)
    return [value.key for value in await call.services.telemetry.latest(device.id)]


OPERATIONS = (get_values, get_keys)
