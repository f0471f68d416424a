"""Provisioning requests and answers in ThingsBoard's protobuf (contract 2.9)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError

from firstboot.model import Origin, ProvisioningRequest
from firstboot.secret import Secret
from firstboot_plugins.dialects.thingsboard.protobuf_messages import MAX_BYTES, message_classes
from firstboot_plugins.dialects.thingsboard.provisioning_request import (
    CONTRACT_TYPES,
    MalformedRequest,
    NotProtobuf,
    wanted_credentials,
)

_ENUMS = {
    "CredentialsType": CONTRACT_TYPES,
    "ResponseStatus": ("UNKNOWN", "SUCCESS", "NOT_FOUND", "FAILURE"),
}
_MESSAGES = {
    "ValidateDeviceTokenRequestMsg": (("token", "string"),),
    "ValidateDeviceX509CertRequestMsg": (("hash", "string"),),
    "ValidateBasicMqttCredRequestMsg": (("clientId", "string"), ("userName", "string"), ("password", "string")),
    "CredentialsDataProto": (
        ("validateDeviceTokenRequestMsg", "ValidateDeviceTokenRequestMsg"),
        ("validateDeviceX509CertRequestMsg", "ValidateDeviceX509CertRequestMsg"),
        ("validateBasicMqttCredRequestMsg", "ValidateBasicMqttCredRequestMsg"),
    ),
    "ProvisionDeviceCredentialsMsg": (("provisionDeviceKey", "string"), ("provisionDeviceSecret", "string")),
    "ProvisionDeviceRequestMsg": (
        ("deviceName", "string"),
        ("credentialsType", "CredentialsType"),
        ("provisionDeviceCredentialsMsg", "ProvisionDeviceCredentialsMsg"),
        ("credentialsDataProto", "CredentialsDataProto"),
        ("gateway", "bool"),
    ),
    "ProvisionDeviceResponseMsg": (
        ("status", "ResponseStatus"),
        ("credentialsType", "CredentialsType"),
        ("credentialsValue", "string"),
    ),
}


_CLASSES = message_classes(_MESSAGES, _ENUMS)
_Request = _CLASSES["ProvisionDeviceRequestMsg"]
_Response = _CLASSES["ProvisionDeviceResponseMsg"]
_STATUS = {name: number for number, name in enumerate(_ENUMS["ResponseStatus"])}


def decode_request(payload: bytes, origin: Origin) -> ProvisioningRequest:
    """Read a request. A key or secret that is missing is empty, in an empty payload both are.

    Raises: `NotProtobuf` for what is no such message; `MalformedRequest` for one with values that it may not
    have.
    """
    if len(payload) > MAX_BYTES:
        raise NotProtobuf(f"The provisioning request has {len(payload)} bytes; {MAX_BYTES} are allowed.")
    try:
        message = _Request.FromString(payload)
    except DecodeError:
        raise NotProtobuf("The provisioning request is neither a JSON object nor a protobuf message.") from None
    if not 0 <= message.credentialsType < len(CONTRACT_TYPES):
        raise MalformedRequest("The provisioning request has an unknown number for credentialsType.")
    proof = message.provisionDeviceCredentialsMsg
    data = message.credentialsDataProto
    basic = data.validateBasicMqttCredRequestMsg
    texts = (
        message.deviceName,
        proof.provisionDeviceKey,
        proof.provisionDeviceSecret,
        data.validateDeviceTokenRequestMsg.token,
        basic.clientId,
        basic.userName,
        basic.password,
        data.validateDeviceX509CertRequestMsg.hash,
    )
    # As in JSON from outside: databases and C libraries cut or refuse it.
    if any("\0" in text for text in texts):
        raise MalformedRequest("A text of the provisioning request has U+0000 in it.")
    name, key, secret, token, client_id, username, password, certificate = texts
    return ProvisioningRequest(
        key=key,
        secret=Secret(secret),
        device_name=name or None,
        wanted=wanted_credentials(
            CONTRACT_TYPES[message.credentialsType],
            token=token,
            client_id=client_id,
            username=username,
            password=password,
            certificate=certificate,
            has_certificate=not key and not secret and origin.certificate is not None,
        ),
        gateway=message.gateway,
        origin=origin,
    )


def success(credentials_type: str, revealed: str | Mapping[str, Any] | None) -> bytes:
    """Return the answer to a device that was provisioned, with what it is told of its credentials.

    A type that has no number in this format cannot be told; the device learns of a failure, as it would
    take any other answer for an access token.
    """
    if credentials_type not in CONTRACT_TYPES:
        return FAILURE
    if isinstance(revealed, Mapping):
        revealed = json.dumps(dict(revealed), separators=(",", ":"), ensure_ascii=False)
    return _encoded(
        status=_STATUS["SUCCESS"],
        credentialsType=CONTRACT_TYPES.index(credentials_type),
        credentialsValue=revealed or "",
    )


def _encoded(**fields: Any) -> bytes:
    encoded: bytes = _Response(**fields).SerializeToString(deterministic=True)
    return encoded


NOT_FOUND = _encoded(status=_STATUS["NOT_FOUND"])
FAILURE = _encoded(status=_STATUS["FAILURE"])
