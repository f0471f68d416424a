"""Credentials of a device as ThingsBoard's REST takes them (contract 3.1, 3.2)."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid5

from firstboot.credentials import refuse_control_characters
from firstboot.errors import InvalidValue, Refused
from firstboot.json_profile import MalformedJson, decode_object
from firstboot.model import Credentials
from firstboot.secret import random_text
from firstboot_plugins.credentials.access_token import TOKEN_LENGTH
from firstboot_plugins.credentials.lookup_ids import certificate_hash, mqtt_basic_id, normalise_certificate

ACCESS_TOKEN = "ACCESS_TOKEN"
MQTT_BASIC = "MQTT_BASIC"
X509_CERTIFICATE = "X509_CERTIFICATE"

MAX_ID_LENGTH = 512
"""Characters of a token, client id or user name; what an MQTT CONNECT may carry (threats, section 5)."""
MAX_PASSWORD_LENGTH = 4096
MAX_CERTIFICATE_LENGTH = 16_384
_MQTT_PARTS = ("clientId", "userName", "password")


def record_id(device_public_id: UUID) -> UUID:
    """Return the id of a device's credential record: there is one record for each device, for ever."""
    return uuid5(device_public_id, "credentials")


def new_access_token() -> Credentials:
    """Draw the token of a device for which none was named."""
    return Credentials(ACCESS_TOKEN, random_text(TOKEN_LENGTH))


def read(type_: str, id_: str | None, value: str | None) -> Credentials:
    """Return the credentials that a record says; ids that follow from the value are computed anew.

    Raises: `InvalidValue`.
    """
    match type_:
        case "ACCESS_TOKEN":
            return access_token(id_ or "")
        case "MQTT_BASIC":
            try:
                parts = decode_object((value or "").encode("utf-8", "surrogatepass"))
            except MalformedJson:
                raise InvalidValue("The value of MQTT basic credentials must be a JSON object as text!") from None
            return mqtt_basic(*(_text(parts, name) for name in _MQTT_PARTS))
        case "X509_CERTIFICATE":
            return x509_certificate(value or "")
    raise InvalidValue("Device credentials type must be ACCESS_TOKEN, MQTT_BASIC or X509_CERTIFICATE!")


def access_token(token: str) -> Credentials:
    """Return the credentials of a token, exactly as it is given.

    Raises: `InvalidValue`.
    """
    if not token.strip():
        raise InvalidValue("Device credentials id should be specified!")
    _check(token)
    return Credentials(ACCESS_TOKEN, token)


def mqtt_basic(client_id: str, username: str, password: str) -> Credentials:
    """Return MQTT credentials of the parts that are not empty.

    Raises: `InvalidValue` for a combination that contract 3.2 does not have.
    """
    if not client_id and not username:
        raise InvalidValue("Both mqtt client id and user name are empty!")
    if password and not username:
        raise InvalidValue("Password cannot be specified along with client id")
    _check(client_id, username)
    _check(password, longest=MAX_PASSWORD_LENGTH)
    parts = {name: text or None for name, text in zip(_MQTT_PARTS, (client_id, username, password), strict=True)}
    value = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return Credentials(MQTT_BASIC, mqtt_basic_id(client_id, username), value)


def x509_certificate(text: str) -> Credentials:
    """Return the credentials of a certificate: PEM, or the base64 of its DER.

    Raises: `InvalidValue`.
    """
    certificate = normalise_certificate(text).strip()
    if not certificate:
        raise InvalidValue("Device credentials value should be specified!")
    _check(certificate, longest=MAX_CERTIFICATE_LENGTH)
    return Credentials(X509_CERTIFICATE, certificate_hash(certificate), certificate)


def _text(parts: dict[str, Any], name: str) -> str:
    text = parts.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise InvalidValue(f"The {name} of MQTT basic credentials must be a text!")
    return text


def _check(*texts: str, longest: int = MAX_ID_LENGTH) -> None:
    try:
        refuse_control_characters(*texts)
    except Refused:
        raise InvalidValue("Device credentials may not have control characters!") from None
    if any(len(text) > longest for text in texts):
        raise InvalidValue(f"Device credentials are too long: {longest} characters are allowed!")
