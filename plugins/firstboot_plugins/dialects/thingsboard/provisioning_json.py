"""Provisioning requests and answers in ThingsBoard's JSON (contract 2.1, 2.4; corrections of section 7)."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import Any

from firstboot.json_profile import JsonSyntaxError, MalformedJson, decode_object
from firstboot.model import Origin, ProvisioningRequest
from firstboot.secret import Secret
from firstboot_plugins.dialects.thingsboard.provisioning_request import (
    ACCESS_TOKEN,
    CONTRACT_TYPES,
    X509_CERTIFICATE,
    X509_CSR,
    MalformedRequest,
    NotJson,
    wanted_credentials,
)

MAX_FACTS = 32
MAX_FACT_LENGTH = 256

NOT_FOUND = b'{"errorMsg":"Provision data was not found!","status":"NOT_FOUND"}'
FAILURE = b'{"errorMsg":"Failed to provision device!","status":"FAILURE"}'

_FIELDS = frozenset(
    {
        "provisionDeviceKey",
        "provisionDeviceSecret",
        "deviceName",
        "credentialsType",
        "token",
        "username",
        "password",
        "clientId",
        "hash",
        "csr",
        "gateway",
    }
)
_SPACE = b" \t\r\n"
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def decode_request(payload: bytes, origin: Origin, known_types: Container[str]) -> ProvisioningRequest:
    """Read a request. ``known_types`` are the credential types that may be asked for beside the contract's.

    Whether the name is a good one and the key right is for the service to judge.

    Raises: `NotJson` for anything but a JSON object; `MalformedRequest` for an object that is no request.
    """
    try:
        fields = decode_object(payload, lenient=True)
    except MalformedJson as error:
        # Beyond the bounds, yet begun as an object: nothing else will be able to read it either.
        if not isinstance(error, JsonSyntaxError) and payload.lstrip(_SPACE)[:1] == b"{":
            raise MalformedRequest(str(error)) from None
        raise NotJson(str(error)) from None

    key = _text(fields, "provisionDeviceKey")
    secret = _text(fields, "provisionDeviceSecret")
    csr = _text(fields, "csr")
    type_ = _text(fields, "credentialsType")
    if csr and type_ in (None, X509_CERTIFICATE):
        type_ = X509_CSR
    # Ours: a device may prove itself by its certificate instead, or by what it has when it wants a certificate.
    proves_otherwise = not key and not secret and (origin.certificate is not None or type_ == X509_CSR)
    if proves_otherwise:
        key, secret, type_ = "", "", type_ or X509_CERTIFICATE
    if key is None or secret is None:
        missing = "provisionDeviceKey" if key is None else "provisionDeviceSecret"
        raise MalformedRequest(f"The provisioning request has no {missing}.")
    if type_ is None:
        type_ = ACCESS_TOKEN
    elif type_ not in CONTRACT_TYPES and type_ not in known_types:
        raise MalformedRequest(
            f"The credentialsType of the provisioning request is not known; use {', '.join(CONTRACT_TYPES[:3])}."
        )
    return ProvisioningRequest(
        key=key,
        secret=Secret(secret),
        device_name=_text(fields, "deviceName") or None,
        wanted=wanted_credentials(
            type_,
            token=_text(fields, "token"),
            client_id=_text(fields, "clientId"),
            username=_text(fields, "username"),
            password=_text(fields, "password"),
            certificate=csr or _text(fields, "hash"),  # The contract's name for it; no hash is meant.
            has_certificate=proves_otherwise and origin.certificate is not None,
        ),
        gateway=(_text(fields, "gateway") or "").lower() == "true",
        facts={} if fields.keys() <= _FIELDS else _facts(fields),
        origin=origin,
    )


def success(credentials_type: str, revealed: str | Mapping[str, Any] | None) -> bytes:
    """Return the answer to a device that was provisioned, with what it is told of its credentials."""
    told = "" if revealed is None else f'"credentialsValue":{_encode(revealed)},'
    text = f'{{{told}"credentialsType":{_encode(credentials_type)},"status":"SUCCESS"}}'
    # The device is on disk by now: half a surrogate pair of an odd plugin goes out as the JSON escape that it is.
    return text.encode("utf-8", "backslashreplace")


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    """Return a field as text; None when it is absent or null, which real clients send for it."""
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise MalformedRequest(f"The field {name} of the provisioning request is no text.")
    return _encode(value)


def _facts(fields: Mapping[str, Any]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for name, value in fields.items():
        if name in _FIELDS or value is None or isinstance(value, dict | list):
            continue
        text = value if isinstance(value, str) else _encode(value)
        if len(text) <= MAX_FACT_LENGTH:
            facts[name] = text
            if len(facts) == MAX_FACTS:
                break
    return facts
