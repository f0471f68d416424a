"""What a device asks for (contract section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from firstboot import json_profile
from firstboot.errors import InvalidValue
from firstboot.names import clean_name
from firstboot.pools import check_hardware_id
from firstboot.secret import Secret
from firstboot_plugins.dialects.thingstream.errors import INVALID_REQUEST, NO_TOKEN, ZtpError

MAX_NAME_LENGTH = 50
MAX_TAGS = 50
MAX_TAG_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a device of CloudLocate or PointPerfect says of itself."""

    given_name: str | None = None
    hardware_id: str | None = None
    tags: tuple[str, ...] = ()


def read_object(payload: bytes, most: int) -> dict[str, Any]:
    """Return the JSON object of a body.

    Raises: `ZtpError`.
    """
    try:
        return json_profile.decode_object(payload, max_bytes=most)
    except json_profile.MalformedJson:
        raise _invalid() from None


def read_token(body: dict[str, Any]) -> Secret:
    """Return the token, in the form in which tokens are compared.

    Raises: `ZtpError`.
    """
    token = _text(body, "token")
    if token is None:
        raise ZtpError(400, NO_TOKEN)
    return Secret(token.lower())


def read_wish(body: dict[str, Any]) -> Wish:
    """Return what a body says beside the token; what it says more than that does not matter.

    Raises: `ZtpError`.
    """
    name, hardware_id = _text(body, "givenName"), _text(body, "hardwareId")
    try:
        if name is not None:
            name = clean_name(name) if len(name) <= MAX_NAME_LENGTH else None
            if name is None:
                raise _invalid()
        if hardware_id is not None:
            check_hardware_id(hardware_id)
        return Wish(given_name=name, hardware_id=hardware_id, tags=read_tags(body.get("tags")))
    except InvalidValue:
        raise _invalid() from None


def read_tags(value: Any) -> tuple[str, ...]:
    """Return tags, each once and without blanks around it.

    Raises: `InvalidValue`.
    """
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(tag, str) for tag in value):
        raise InvalidValue("Tags are a list of texts.")
    tags = tuple(dict.fromkeys(clean_name(tag, "tag") for tag in value if tag.strip()))
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG_LENGTH for tag in tags):
        raise InvalidValue(f"There are at most {MAX_TAGS} tags, each of at most {MAX_TAG_LENGTH} characters.")
    return tags


def _text(body: dict[str, Any], key: str) -> str | None:
    """Return a member that is a text; None for one that is absent, null or empty."""
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise _invalid()
    return value or None


def _invalid() -> ZtpError:
    return ZtpError(400, INVALID_REQUEST)
