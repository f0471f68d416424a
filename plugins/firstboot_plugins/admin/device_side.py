"""What the OpenAPI document says of the device's side, whose routes are not operations: dialects make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TAG = "Device API"
_TOKEN = {
    "name": "token",
    "in": "path",
    "required": True,
    "description": "The device's access token.",
    "schema": {"type": "string", "minLength": 1},
}
_ANY_ERROR = {"description": "An error; the body is empty or tells little."}


def _json(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": {}}}}


def _call(
    summary: str,
    *,
    token: bool = True,
    body: Mapping[str, Any] | None = None,
    body_required: bool = True,
    query: Mapping[str, str] | None = None,
    answers: bool = False,
) -> dict[str, Any]:
    parameters = [_TOKEN] if token else []
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": {"type": kind}}
        for name, kind in (query or {}).items()
    ]
    described: dict[str, Any] = {
        "tags": [_TAG],
        "summary": summary,
        "security": [],
        "responses": {
            "200": _json("What was asked for.") if answers else {"description": "Done."},
            "default": _ANY_ERROR,
        },
    }
    if parameters:
        described["parameters"] = parameters
    if body is not None:
        described["requestBody"] = {"required": body_required, "content": {"application/json": {"schema": body}}}
    return described


def _download(summary: str) -> dict[str, Any]:
    described = _call(summary, token=False)
    content = {"application/x-pem-file": {"schema": {"type": "string"}}}
    described["responses"]["200"] = {"description": "Certificates, PEM.", "content": content}
    return described


_PROVISIONING = {
    "type": "object",
    "required": ["provisionDeviceKey", "provisionDeviceSecret"],
    "properties": {
        name: {"type": "string"}
        for name in (
            "provisionDeviceKey", "provisionDeviceSecret", "deviceName", "credentialsType", "token", "username",
            "password", "clientId", "hash",
        )
    },
}  # fmt: skip
_OBJECT = {"type": "object"}
_CALL = {"type": "object", "required": ["method"], "properties": {"method": {"type": "string", "minLength": 1}}}
_CALL_ID = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
_TELEMETRY = {"type": ["object", "array"]}
_POLL = {"timeout": "integer"}
_CLAIM = {
    "type": "object",
    "properties": {
        "secretKey": {"type": "string", "maxLength": 255},
        "durationMs": {"type": "integer", "minimum": 0, "maximum": 2**53},
    },
}
_THING_WANTED = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "minLength": 1},
        "givenName": {"type": "string", "maxLength": 50},
        "hardwareId": {"type": "string", "maxLength": 64},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
_CHIP = {
    "type": "object",
    "required": ["token", "messages"],
    "properties": {
        "token": {"type": "string", "minLength": 1},
        "messages": {
            "type": "object",
            "required": ["UBX-SEC-UNIQID", "UBX-MON-VER"],
            "properties": {name: {"type": "string"} for name in ("UBX-SEC-UNIQID", "UBX-MON-VER")},
        },
    },
}

DEVICE_PATHS: Mapping[str, dict[str, Any]] = {
    "/api/v1/provision": {
        "post": _call("Provision a device", token=False, body=_PROVISIONING, answers=True),
    },
    "/api/v1/{token}/telemetry": {"post": _call("Report values", body=_TELEMETRY)},
    "/api/v1/{token}/attributes": {
        "post": _call("Report attributes of the client scope", body=_OBJECT),
        "get": _call("Read attributes", query={"clientKeys": "string", "sharedKeys": "string"}, answers=True),
    },
    "/api/v1/{token}/claim": {"post": _call("Let a customer claim the device", body=_CLAIM, body_required=False)},
    "/api/v1/{token}/release": {"post": _call("Take the device from its owner, where its profile allows it")},
    "/api/v1/{token}/attributes/updates": {
        "get": _call("Wait for changes of shared attributes", query=_POLL, answers=True),
    },
    "/api/v1/{token}/rpc": {
        "get": _call("Wait for a call from the server", query=_POLL, answers=True),
        "post": _call("Call the server", body=_CALL, answers=True),
    },
    "/api/v1/{token}/rpc/{id}": {
        "post": {
            **_call("Answer a call from the server", body={}),
            "parameters": [
                _TOKEN,
                {"name": "id", "in": "path", "required": True, "schema": _CALL_ID},
            ],
        },
    },
    "/ztp/cloudlocate/credentials": {
        "post": _call("Get a Thing of Thingstream's CloudLocate", token=False, body=_THING_WANTED, answers=True),
    },
    "/ztp/pointperfect/credentials": {
        "post": _call("Get a Thing of Thingstream's PointPerfect", token=False, body=_THING_WANTED, answers=True),
    },
    "/ztp/assistnow/credentials": {
        "post": _call("Get a chipcode of Thingstream's AssistNow", token=False, body=_CHIP, answers=True),
    },
    "/ztp/ca.pem": {"get": _download("Download the authority that devices are to trust")},
    "/repository/AmazonRootCA1.pem": {"get": _download("Download it, where Thingstream's devices look for it")},
}
"""Paths and what stands there in the document."""
