"""Rules for the keys and values of attributes and telemetry (threats, section 7)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from firstboot import json_profile
from firstboot.errors import InvalidValue

MAX_KEY_LENGTH = 255
MAX_VALUE_BYTES = 65_536
_MAX_NUMBER_BYTES = 24
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check_values(values: Mapping[str, Any]) -> None:
    """Refuse keys and values that may not be stored.

    Raises: `InvalidValue`; it quotes no value.
    """
    for key, value in values.items():
        check_key(key)
        check_value(value, key)


def sizes(values: Mapping[str, Any]) -> dict[str, int]:
    """Return how many bytes each key takes with its value; of a number or truth value, the most that it may."""
    return {key: len(_bytes(key)) + _size_of(value) for key, value in values.items()}


def check_key(key: str) -> None:
    """Refuse a key that is blank, longer than 255 characters, or has control characters in it.

    Raises: `InvalidValue`.
    """
    if not key or key.isspace():
        raise InvalidValue("Key cannot be blank")
    if len(key) > MAX_KEY_LENGTH:
        raise InvalidValue(f"A key has at most {MAX_KEY_LENGTH} characters; this one has {len(key)}.")
    if not key.isprintable() and _CONTROLS.search(key):
        raise InvalidValue("A key may not have control characters.")


def check_value(value: Any, key: str = "value", max_bytes: int = MAX_VALUE_BYTES) -> None:
    """Refuse what is not JSON within the bounds of `firstboot.json_profile`, and null, which means no value.

    Raises: `InvalidValue`.
    """
    match value:
        case bool():
            return
        case int() if abs(value) <= json_profile.MAX_INTEGER:
            return
        case float() if math.isfinite(value):
            return
        case str() if len(value) <= MAX_VALUE_BYTES // 4 and value.isprintable():
            return
        case None:
            raise InvalidValue(f"The value of {key!r} is null.")
    try:
        text = _encode(value).encode()
    except (TypeError, ValueError, RecursionError):
        raise InvalidValue(f"The value of {key!r} is nothing that JSON can say.") from None
    if len(text) > max_bytes:
        raise InvalidValue(f"The value of {key!r} has more than {max_bytes} bytes.")
    json_profile.decode(text, max_bytes=max_bytes)


def _size_of(value: Any) -> int:
    if isinstance(value, int | float):
        return _MAX_NUMBER_BYTES
    return len(_bytes(value if isinstance(value, str) else _encode(value)))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
