"""Which device an MQTT CONNECT proves, by ThingsBoard's rules (contract 3.2, 3.3)."""

from __future__ import annotations

from firstboot.logins import Logins, Match
from firstboot.mqtt_passwords import has_password, is_password, parts_of
from firstboot.secret import same_text
from firstboot_plugins.credentials.lookup_ids import mqtt_basic_id
from firstboot_plugins.transports.mqtt.dialect import ConnectRefused
from firstboot_plugins.transports.mqtt.packets import Connect

ACCESS_TOKEN = "ACCESS_TOKEN"
MQTT_BASIC = "MQTT_BASIC"
_NO_MATCH = "no credentials match the CONNECT"


async def log_in(connect: Connect, logins: Logins) -> Match:
    """Return the device whose credentials the CONNECT carries.

    Raises: `ConnectRefused` with the codes of contract 3.3; `firstboot.errors.Unavailable`.
    """
    client_id = connect.client_id
    username = connect.username or ""
    password = _text(connect.password)
    match = await match_of(logins, client_id, username, password)
    if match is None:
        raise _refusal(client_id, username, password)
    return match


async def match_of(logins: Logins, client_id: str, username: str, password: str) -> Match | None:
    """Return the device whose credentials these are, None when they are nobody's.

    Raises: `firstboot.errors.Unavailable`.
    """
    if not client_id and not username:
        return None
    basic_id = mqtt_basic_id(client_id, username)
    found = await logins.find(*{id_ for id_ in (basic_id, username) if id_})
    return _judge(found, basic_id, client_id, username, password)


def _judge(found: dict[str, Match], basic_id: str, client_id: str, username: str, password: str) -> Match | None:
    basic = found.get(basic_id)
    if basic is not None and basic.credentials.type == MQTT_BASIC:
        fits, wrong_password = _compare(basic, client_id, username, password)
        if fits:
            return basic
        if wrong_password and username:
            return None  # AU-2: even if the user name is some device's access token
    if not username:
        return None
    match = found.get(username)
    if match is None:
        return None
    if match.credentials.type == ACCESS_TOKEN:
        return match  # AU-3: client id and password do not count
    if match.credentials.type == MQTT_BASIC and _compare(match, client_id, username, password)[0]:
        return match
    return None


def _compare(match: Match, client_id: str, username: str, password: str) -> tuple[bool, bool]:
    """Return whether all stored parts match, and whether the password alone does not (contract AU-4)."""
    stored = parts_of(match.credentials)
    fits = all(
        not stored.get(part) or same_text(stored[part], presented)
        for part, presented in (("clientId", client_id), ("userName", username))
    )
    if not fits:
        return False, False
    right_password = not has_password(match.credentials) or is_password(match.credentials, password)
    return right_password, not right_password


def _text(password: bytes | None) -> str:
    # A password that is not UTF-8 matches none, and must not become one by losing bytes.
    return "" if password is None else password.decode("utf-8", "surrogateescape")


def _refusal(client_id: str, username: str, password: str) -> ConnectRefused:
    if username or password:
        return ConnectRefused(5, 0x86, reason=_NO_MATCH)
    if client_id.strip():
        return ConnectRefused(2, 0x85, reason=_NO_MATCH)
    return ConnectRefused(5, 0x87, reason=_NO_MATCH)
