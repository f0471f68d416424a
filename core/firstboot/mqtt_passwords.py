"""The password in ``MQTT_BASIC`` credentials: readable, as ThingsBoard's contract has it, or a digest of it alone.

The value is a JSON object: ``clientId``, ``userName``, and ``password`` or ``passwordDigest``. Where a digest has
taken its place, the password is told to the device once, and to nobody after that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from firstboot.device_passwords import digest_of, is_password_of
from firstboot.model import Credentials
from firstboot.secret import same_text

MQTT_BASIC = "MQTT_BASIC"

_PASSWORD = "password"
_DIGEST = "passwordDigest"
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def parts_of(credentials: Credentials) -> Mapping[str, Any]:
    """Return client id, user name and password by their names. A password that is not known is missing."""
    if credentials.told is not None:
        return credentials.told
    return {name: part for name, part in _kept(credentials).items() if name != _DIGEST}


def has_digest(credentials: Credentials) -> bool:
    """Say whether credentials, of whatever type, have a digest in place of their password."""
    # The text is looked at first because it need not be JSON: plugins may make such credentials, too.
    return (
        credentials.type == MQTT_BASIC and _DIGEST in (credentials.value or "") and _DIGEST in _kept(credentials)
    )


def with_digest(credentials: Credentials) -> Credentials:
    """Return credentials with a digest in place of their password, which is left for `Credentials.told` only."""
    told = _kept(credentials)
    names = {name: part for name, part in told.items() if name != _PASSWORD}
    digest = digest_of(told[_PASSWORD])
    return replace(credentials, value=_encode({**names, _DIGEST: digest}), told=told)


def credentials_with_digest(id_: str, client_id: str, username: str, password: str) -> Credentials:
    """Return credentials of these parts under a look-up id, as `with_digest` does."""
    names = f'"clientId":{_encode(client_id)},"userName":{_encode(username)}'  # faster than the object as a whole
    return Credentials(
        MQTT_BASIC,
        id_,
        f'{{{names},"{_DIGEST}":"{digest_of(password)}"}}',
        told={"clientId": client_id, "userName": username, _PASSWORD: password},
    )


def has_password(credentials: Credentials) -> bool:
    """Say whether a login needs a password; those of ThingsBoard's contract may have none."""
    parts = _kept(credentials)
    return bool(parts.get(_PASSWORD) or parts.get(_DIGEST))


def is_password(credentials: Credentials, presented: str) -> bool:
    """Say whether this is the password; nothing is if there is none."""
    parts = _kept(credentials)
    if _DIGEST in parts:
        return is_password_of(parts[_DIGEST], presented)
    password: str = parts.get(_PASSWORD) or ""
    return password != "" and same_text(password, presented)


def readable_value(credentials: Credentials) -> str | None:
    """Return the value of credentials of any type as people may see it: null for a password that is not known."""
    if not has_digest(credentials):
        return credentials.value
    names = {name: part for name, part in _kept(credentials).items() if name != _DIGEST}
    return _encode({**names, _PASSWORD: None})


def in_place_of(current: Credentials, wanted: Credentials) -> Credentials:
    """Return the credentials that a device gets when an administrator wants these in place of what it has.

    A password that was not readable is followed by none that is. It stays what it is when none is given: whoever
    saves what he was shown has not seen it.
    """
    if not has_digest(current) or wanted.type != MQTT_BASIC or has_digest(wanted):
        return wanted
    if _names(wanted) == _names(current):
        wanted = replace(wanted, id=current.id)  # its dialect may look it up in its own way
    if has_password(wanted):
        return with_digest(wanted)
    names = {name: part for name, part in _kept(wanted).items() if name != _PASSWORD}
    return replace(wanted, value=_encode({**names, _DIGEST: _kept(current)[_DIGEST]}))


def is_same(current: Credentials, wanted: Credentials) -> bool:
    """Say whether a device has what an administrator wants it to have, as far as anybody can know."""
    if not has_digest(current) or wanted.type != MQTT_BASIC or _names(wanted) != _names(current):
        return wanted == current
    return not has_password(wanted) or is_password(current, _kept(wanted)[_PASSWORD])


def _names(credentials: Credentials) -> tuple[str | None, str | None]:
    parts = _kept(credentials)
    return parts.get("clientId") or None, parts.get("userName") or None


def _kept(credentials: Credentials) -> dict[str, Any]:
    parts: dict[str, Any] = json.loads(credentials.value or "{}")
    return parts
