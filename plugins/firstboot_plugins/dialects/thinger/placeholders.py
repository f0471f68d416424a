"""Placeholders in what is made beside a device: ``{device}``, ``{user}`` and ``{name}`` (contract 12.5)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from firstboot_plugins.dialects.thinger.errors import ThingerError

MAX_ID_LENGTH = 32
_HASH_LENGTH = 4
# Not within a second pair of braces: that is how widgets write their own.
_PLACEHOLDER = re.compile(r"(?<!\{)\{(device|user|name)\}(?!\})")
_WILDCARDS = re.compile(r"[+#]")

Texts = Mapping[str, str]
"""What stands for each placeholder."""


def filled(value: Any, texts: Texts) -> Any:
    """Return a JSON value with the placeholders in its texts replaced, once."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: texts[found[1]], value)
    if isinstance(value, list):
        return [filled(each, texts) for each in value]
    if isinstance(value, dict):
        return {key: filled(each, texts) for key, each in value.items()}
    return value


def filled_id(pattern: Any, texts: Texts) -> Any:
    """Return an id; in one that is too long a hash stands for the end of the device's id."""
    if not isinstance(pattern, str):
        return pattern
    whole = filled(pattern, texts)
    times = sum(found[1] == "device" for found in _PLACEHOLDER.finditer(pattern))
    if not times or len(whole) <= MAX_ID_LENGTH:
        return whole
    device = texts["device"]
    digest = hashlib.sha256(device.encode()).hexdigest()[:_HASH_LENGTH]
    room = (MAX_ID_LENGTH - len(whole)) // times + len(device) - len(digest) - 1
    return filled(pattern, {**texts, "device": f"{device[: max(room, 0)]}_{digest}"})  # checked by the caller


def filled_topic(topic: Any, texts: Texts) -> Any:
    """Return a topic filter. A device's name may not make it wider than whoever wrote it wanted.

    Raises: `ThingerError` (400).
    """
    plain = {name: _WILDCARDS.sub("", text) for name, text in texts.items()}
    whole = filled(topic, texts)
    if filled(topic, plain) != whole:
        raise ThingerError(400, "invalid field: config.topic")
    return whole
