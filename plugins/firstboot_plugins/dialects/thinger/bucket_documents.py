"""What a bucket's body may say, and what is kept of it (contract section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.errors import ThingerError

MAX_TOPIC_LENGTH = 512
MAX_TAGS = 5
MAX_PERIOD = 100_000
DEVICE, MQTT, WRITE, API = "device", "mqtt", "write", "api"
_BACKENDS = ("", "mongodb", "influxdb", "dynamodb")
_UNITS = ("hours", "days", "weeks", "months", "years")
_UPDATES = ("interval", "events", "none")


def read_bucket(fields: BodyFields, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Read a create body (``before`` None), or one that changes some members.

    Raises: `ThingerError`.
    """
    sent = {
        "name": fields.text("name"),
        "description": fields.text("description"),
        "enabled": fields.flag("enabled"),
        "asset_type": fields.id("asset_type", empty=True),
        "asset_group": fields.id("asset_group", empty=True),
        "product": fields.id("product", empty=True),
        "backend": _backend(fields),
        "config": _config(fields.take("config")) if fields.has("config") else None,
        "retention": _retention(fields.take("retention")) if fields.has("retention") else None,
    }
    if before is None:
        for name in ("name", "enabled", "config"):
            if sent[name] is None:
                raise ThingerError(400, f"missing field: {name}")
    return {**(before or {}), **{name: value for name, value in sent.items() if value is not None}}


def _backend(fields: BodyFields) -> str | None:
    backend = fields.text("backend")
    if backend is not None and backend not in _BACKENDS:
        raise ThingerError(400, "invalid field: backend")
    return backend


def _config(value: Any) -> dict[str, Any]:
    config = BodyFields(value)
    source = config.take("source")
    read: dict[str, Any] = {"source": source}
    if source == DEVICE:
        read |= _from_device(config)
    elif source == MQTT:
        read["topic"] = config.text("topic", least=1, most=MAX_TOPIC_LENGTH)
        if read["topic"] is None or not is_topic_filter(read["topic"]):
            raise ThingerError(400, "invalid field: config.topic")
    elif source not in (WRITE, API):
        raise ThingerError(400, "invalid field: config.source")
    if config.has("tags"):
        read["tags"] = _tags(config.take("tags"))
    config.end()
    return read


def _from_device(config: BodyFields) -> dict[str, Any]:
    read = {name: config.text(name, least=1) for name in ("device", "resource")}
    user, update = config.text("user"), config.take("update")
    if None in read.values() or update not in _UPDATES:
        raise ThingerError(400, "invalid field: config")
    more: dict[str, Any] = {"update": update} | ({"user": user} if user is not None else {})
    if update == "interval":
        interval = config.take("interval")
        if not _is_number(interval) or not interval > 0:
            raise ThingerError(400, "invalid field: config.interval")
        more["interval"] = interval
    return read | more


def is_topic_filter(topic: str) -> bool:
    """Say whether a text is an MQTT topic filter of an account, without ``$`` in front."""
    levels = topic.split("/")
    good = all(level in ("+", "#") or not set("+#\0") & set(level) for level in levels)
    return good and "#" not in levels[:-1] and not topic.startswith("$")


def _tags(value: Any) -> list[str]:
    if (
        not isinstance(value, list)
        or len(value) > MAX_TAGS
        or not all(isinstance(tag, str) and 0 < len(tag) <= 255 for tag in value)
    ):
        raise ThingerError(400, "invalid field: config.tags")
    return value


def _retention(value: Any) -> dict[str, Any]:
    retention = BodyFields(value)
    period, unit = retention.take("period"), retention.take("unit")
    retention.end()
    if not _is_number(period) or not 0 <= period <= MAX_PERIOD or unit not in _UNITS:
        raise ThingerError(400, "invalid field: retention")
    return {"period": period, "unit": unit}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
