"""ThingsBoard's calls about attributes of a device (contract 5.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import WithJsonSchema

from firstboot.errors import InvalidValue
from firstboot.model import CLAIMING_ALLOWED, CLAIMING_DATA, PROVISION_STATE, Scope
from firstboot_plugins.admin.failures import forbidden
from firstboot_plugins.admin.operation import Access, Call, Handler, Operation, operation, tenant_people
from firstboot_plugins.admin.thingsboard.entity_data import (
    DATA,
    DEVICE_DATA,
    TAG,
    KeysParameters,
    device_with_data,
    scope_of,
)
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD_TEXT
from firstboot_plugins.admin.thingsboard.shapes import Shape
from firstboot_plugins.dialects.thingsboard.typed_values import typed_values

NOT_OF_CUSTOMERS = frozenset({PROVISION_STATE, CLAIMING_DATA, CLAIMING_ALLOWED})
"""Server attributes that say who may get the device: a customer who sets them decides about the tenant."""

# Checked by the call itself: the texts of its errors are ThingsBoard's.
Values = Annotated[Any, WithJsonSchema({"type": "object", "additionalProperties": True, "minProperties": 1})]


class AttributeShape(Shape):
    """An attribute."""

    last_update_ts: int
    key: str
    value: Any


def _operations(
    method: str, paths: tuple[str, ...], access: Access, run: Handler, **more: Any
) -> tuple[Operation, ...]:
    """Return the same call under several paths."""
    return tuple(
        operation(method, path, dialect=THINGSBOARD_TEXT, tag=TAG, access=access, **more)(run) for path in paths
    )


async def _save(call: Call) -> object:
    """Set attributes of a device.

    A text that looks like a number is stored as that number; null leaves an attribute as it is.
    """
    device = await device_with_data(call)
    scope = scope_of(call)
    if scope is Scope.CLIENT:
        raise InvalidValue("Invalid scope: CLIENT_SCOPE")
    if call.body is not None and not isinstance(call.body, Mapping):
        raise InvalidValue("Request is not a JSON object")
    values = typed_values(call.body or {})
    if not values:
        raise InvalidValue("No attributes data found in request body!")
    _refuse_reserved(call, scope, values.keys())
    await call.services.attributes.save(device.ref, scope, values, actor=call.actor, origin=call.origin)
    return None


async def _delete(call: Call) -> object:
    """Delete attributes of a device; those that are not there do not matter."""
    device = await device_with_data(call)
    scope = scope_of(call)
    keys = call.query.names()
    if not keys:
        raise InvalidValue("Empty keys: []")
    _refuse_reserved(call, scope, keys)
    await call.services.attributes.delete(device.ref, scope, keys, actor=call.actor, origin=call.origin)
    return None


def _refuse_reserved(call: Call, scope: Scope, keys: Any) -> None:
    if call.customer_id is not None and scope is Scope.SERVER and not NOT_OF_CUSTOMERS.isdisjoint(keys):
        raise forbidden()


async def _read(call: Call) -> object:
    """Return attributes of a device; keys that it does not have are left out."""
    device = await device_with_data(call)
    stored = await call.services.attributes.read(device.id, _scope_or_all(call), call.query.names() or None)
    return [
        AttributeShape(last_update_ts=attribute.updated_at_ms, key=attribute.key, value=attribute.value)
        for attribute in stored
    ]


async def _keys(call: Call) -> object:
    """Return the names of a device's attributes."""
    device = await device_with_data(call)
    stored = await call.services.attributes.read(device.id, _scope_or_all(call))
    return list(dict.fromkeys(attribute.key for attribute in stored))


def _scope_or_all(call: Call) -> Scope | None:
    return scope_of(call) if "scope" in call.path else None


_READ = tenant_people("attributes:read")
_WRITE = tenant_people("attributes:write")
_SHORT, _SCOPED = f"{DATA}/{{deviceId:uuid}}/{{scope}}", f"{DEVICE_DATA}/{{scope}}"
_VALUES, _NAMES = f"{DEVICE_DATA}/values/attributes", f"{DEVICE_DATA}/keys/attributes"

OPERATIONS = (
    *_operations(
        "POST",
        (_SHORT, _SCOPED, f"{DEVICE_DATA}/attributes/{{scope}}"),
        _WRITE,
        _save,
        body=Values,
        body_required=False,
    ),
    *_operations("DELETE", (_SHORT, _SCOPED), _WRITE, _delete, query=KeysParameters),
    *_operations(
        "GET",
        (_VALUES, f"{_VALUES}/{{scope}}"),
        _READ,
        _read,
        query=KeysParameters,
        answers=list[AttributeShape],
    ),
    *_operations("GET", (_NAMES, f"{_NAMES}/{{scope}}"), _READ, _keys, answers=list[str]),
)
