"""What gateways say of their devices and are told of them, in ThingsBoard's JSON (contract 4.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from firstboot.attribute_values import check_key
from firstboot.downlink import AttributeUpdate, RpcRequest
from firstboot.errors import InvalidValue
from firstboot.json_profile import decode_object
from firstboot.key_limit import MAX_KEYS
from firstboot.model import Scope, StoredAttribute, TelemetryPoint
from firstboot.names import MAX_NAME_LENGTH
from firstboot_plugins.dialects.thingsboard import device_json
from firstboot_plugins.dialects.thingsboard.device_json import BadPayload
from firstboot_plugins.dialects.thingsboard.typed_values import typed, typed_values


class EmptyName(InvalidValue):
    """A message names a device by nothing at all (contract GW-5)."""


@dataclass(frozen=True, slots=True)
class AttributesWanted:
    """Attributes of one device that a gateway asks for."""

    id: int
    device: str
    scope: Scope
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device has answered to a call of the server's."""

    id: int
    device: str
    value: Any


# -- from the gateway ------------------------------------------------------------------------------


def by_device(payload: bytes) -> dict[str, Any]:
    """Read what is said of each device, by their names. What it is, is for others to judge.

    Raises: `InvalidValue`.
    """
    return decode_object(payload, lenient=True, max_key_length=MAX_NAME_LENGTH)


def telemetry(value: Any, now_ms: int) -> list[TelemetryPoint]:
    """Read the report of one device, which is a list.

    Raises: `InvalidValue`.
    """
    if not isinstance(value, list):
        raise BadPayload("The telemetry of a device behind a gateway is a list.")
    return [device_json.point(item, now_ms) for item in value]


def attributes(value: Any) -> dict[str, Any]:
    """Read the attributes of one device.

    Raises: `InvalidValue`.
    """
    if not isinstance(value, dict):
        raise BadPayload("The attributes of a device behind a gateway are an object.")
    return typed_values(value)


def connected(payload: bytes) -> tuple[str, str | None]:
    """Read which device is there, and its type, None when none is given.

    Raises: `InvalidValue` (`EmptyName`).
    """
    fields = decode_object(payload, lenient=True)
    type_ = fields.get("type")
    if type_ is not None and not isinstance(type_, str):
        raise BadPayload("The type of a device is a text.")
    return _device(fields), type_ or None


def disconnected(payload: bytes) -> str:
    """Read which device is there no more.

    Raises: `InvalidValue` (`EmptyName`).
    """
    return _device(decode_object(payload, lenient=True))


def attributes_wanted(payload: bytes) -> AttributesWanted:
    """Read which attributes a gateway asks for: ``key`` names one, ``keys`` several.

    Raises: `InvalidValue` (`EmptyName`).
    """
    fields = decode_object(payload, lenient=True)
    keys = [fields["key"]] if fields.get("key") is not None else fields.get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise BadPayload("Attributes are asked for by a key, or a list of keys.")
    if len(keys) > MAX_KEYS:
        raise BadPayload(f"At most {MAX_KEYS} attributes can be asked for by their keys.")
    for key in keys:
        check_key(key)
    scope = Scope.CLIENT if fields.get("client") is True else Scope.SHARED
    return AttributesWanted(_id(fields), _device(fields), scope, tuple(dict.fromkeys(keys)))


def answer(payload: bytes) -> Answer:
    """Read a device's answer to a call.

    Raises: `InvalidValue` (`EmptyName`).
    """
    fields = decode_object(payload, lenient=True)
    return Answer(_id(fields), _device(fields), fields.get("data"))


def _device(fields: Mapping[str, Any]) -> str:
    name = fields.get("device")
    if not isinstance(name, str):
        raise BadPayload("A gateway's message names its device in a text.")
    check_name(name)
    return name


def check_name(name: str) -> None:
    """Refuse what is no name at all; what a name may be is for the server to judge.

    Raises: `EmptyName`.
    """
    if not name:
        raise EmptyName("The name of a device is empty.")


def _id(fields: Mapping[str, Any]) -> int:
    id_ = typed(fields.get("id"))
    if isinstance(id_, bool) or not isinstance(id_, int):
        raise BadPayload("The id of a request is an integer.")
    return id_


# -- to the gateway --------------------------------------------------------------------------------


def attributes_found(wanted: AttributesWanted, stored: Iterable[StoredAttribute]) -> bytes:
    """Return the attributes that a gateway asked for: one alone as ``value``, if there is one."""
    values = {attribute.key: attribute.value for attribute in stored}
    told: dict[str, Any] = {"id": wanted.id, "device": wanted.device}
    if len(wanted.keys) > 1:
        told["values"] = values
    elif values:
        told["value"] = values[wanted.keys[0]]
    return device_json.encode(told)


def attributes_changed(device: str, update: AttributeUpdate) -> bytes:
    """Return what a gateway is told of a device's shared attributes."""
    return device_json.encode({"device": device, "data": device_json.changes(update)})


def called(device: str, request: RpcRequest) -> bytes:
    """Return a call to a device."""
    data = {"id": request.id, "method": request.method, "params": request.params}
    return device_json.encode({"device": device, "data": data})


def sent_away(device: str, reason: int) -> bytes:
    """Return the notice that something of a device was refused, or that its session was ended."""
    return device_json.encode({"device": device, "reason": reason})
