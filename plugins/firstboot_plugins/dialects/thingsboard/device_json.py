"""What devices say and are told, in ThingsBoard's JSON (contract section 6)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from firstboot.attribute_values import check_key
from firstboot.downlink import AttributeUpdate, RpcRequest
from firstboot.errors import InvalidValue
from firstboot.json_profile import decode, decode_object
from firstboot.key_limit import MAX_KEYS
from firstboot.model import Scope, StoredAttribute, TelemetryPoint
from firstboot_plugins.dialects.thingsboard.typed_values import typed, typed_values

RPC_UNANSWERED = b'{"error":"timeout"}'
"""What a device is told when nobody answers its call."""

_GROUPS = {Scope.CLIENT: "client", Scope.SHARED: "shared"}
_encode_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class BadPayload(InvalidValue):
    """A payload is not what its topic takes. The message quotes no value."""

    code = "bad-payload"


@dataclass(frozen=True, slots=True)
class AttributesWanted:
    """The keys that a device asks for. None: it did not name any of this group."""

    client: tuple[str, ...] | None
    shared: tuple[str, ...] | None

    def groups(self) -> dict[Scope, tuple[str, ...] | None]:
        """Return what to read: the keys by scope, None for all of them. Without any key all of both are meant."""
        if self.client is None and self.shared is None:
            return {Scope.CLIENT: None, Scope.SHARED: None}
        named = {Scope.CLIENT: self.client, Scope.SHARED: self.shared}
        return {scope: keys for scope, keys in named.items() if keys is not None}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a device makes."""

    method: str
    params: Any


# -- from the device -------------------------------------------------------------------------------


def telemetry(payload: bytes, now_ms: int) -> list[TelemetryPoint]:
    """Read a report: an object of values, one with ``ts`` (milliseconds) and ``values``, or a list of either.

    Values without a moment are of ``now_ms``.

    Raises: `InvalidValue`.
    """
    value = decode(payload, lenient=True)
    return [point(item, now_ms) for item in (value if isinstance(value, list) else [value])]


def point(value: Any, now_ms: int) -> TelemetryPoint:
    """Read one item of a report.

    Raises: `InvalidValue`.
    """
    if not isinstance(value, dict):
        raise BadPayload("Telemetry is an object, or a list of objects.")
    if "ts" not in value or "values" not in value:
        return TelemetryPoint(now_ms, typed_values(value))
    at_ms, values = typed(value["ts"]), value["values"]
    if isinstance(at_ms, bool) or not isinstance(at_ms, int | float):
        raise BadPayload("The ts of telemetry is a number of milliseconds.")
    if not isinstance(values, dict):
        raise BadPayload("The values of telemetry are an object.")
    return TelemetryPoint(int(at_ms), typed_values(values))


def attributes(payload: bytes) -> dict[str, Any]:
    """Read the attributes that a device reports of itself.

    Raises: `InvalidValue`.
    """
    return typed_values(decode_object(payload, lenient=True))


def attributes_wanted(payload: bytes) -> AttributesWanted:
    """Read which attributes a device asks for. No payload at all is like an empty object.

    Raises: `InvalidValue`.
    """
    fields = decode_object(payload, lenient=True) if payload else {}
    return AttributesWanted(_keys(fields.get("clientKeys")), _keys(fields.get("sharedKeys")))


def _keys(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadPayload("The keys of attributes are a text with commas between them.")
    return split_keys(value)


def split_keys(text: str) -> tuple[str, ...] | None:
    """Return the keys of a text with commas between them, None when there is none in it.

    Raises: `InvalidValue`.
    """
    keys = tuple(dict.fromkeys(key for key in text.split(",") if key))
    if len(keys) > MAX_KEYS:
        raise BadPayload(f"At most {MAX_KEYS} attributes can be asked for by their keys.")
    for key in keys:
        check_key(key)
    return keys or None


def call(payload: bytes) -> Call:
    """Read a call to the server.

    Raises: `InvalidValue`.
    """
    fields = decode_object(payload, lenient=True)
    method = fields.get("method")
    if not isinstance(method, str) or not method:
        raise BadPayload("A call has a method, which is a text.")
    return Call(method, fields.get("params"))


def answer(payload: bytes) -> Any:
    """Read what a device answers to a call: anything that is JSON.

    Raises: `InvalidValue`.
    """
    return decode(payload, lenient=True)


# -- to the device ---------------------------------------------------------------------------------


def attributes_found(stored: Iterable[StoredAttribute]) -> bytes:
    """Return the attributes that a device asked for; a group without any is left out."""
    groups: dict[str, dict[str, Any]] = {}
    for attribute in stored:
        groups.setdefault(_GROUPS[attribute.scope], {})[attribute.key] = attribute.value
    return encode(groups)


def attributes_changed(update: AttributeUpdate) -> bytes:
    """Return what a device is told of its shared attributes: values that were set, and names that were deleted."""
    return encode(changes(update))


def changes(update: AttributeUpdate) -> Mapping[str, Any]:
    """Return the same before it becomes a text."""
    if update.deleted:
        return {**update.values, "deleted": list(update.deleted)}
    return update.values


def called(request: RpcRequest, *, with_id: bool = False) -> bytes:
    """Return a call to a device; over MQTT its id is in the topic."""
    id_ = {"id": request.id} if with_id else {}
    return encode({**id_, "method": request.method, "params": request.params})


def encode(value: Any) -> bytes:
    """Return any JSON value as its shortest text."""
    # Half a surrogate pair of an odd plugin goes out as the JSON escape that it is.
    return _encode_json(value).encode("utf-8", "backslashreplace")
