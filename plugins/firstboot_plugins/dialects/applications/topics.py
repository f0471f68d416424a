"""The topics on which applications watch a tenant's devices, and who may subscribe to which.

=========================================================  ===================  ============================
Topic                                                      Scope of the token   Payload: a JSON object with
=========================================================  ===================  ============================
``$firstboot/devices/<device id>/telemetry``               ``telemetry:read``   what a device reported
``$firstboot/devices/<device id>/attributes/<scope>``      ``attributes:read``  what was set and deleted
``$firstboot/events/<kind>``                               ``events``           anything else that happened
=========================================================  ===================  ============================

``<device id>`` is the device's UUID, ``<scope>`` is ``server``, ``shared`` or ``client``, ``<kind>`` such as
``device-provisioned``. Filters may have ``+`` and ``#`` in place of everything after ``$firstboot``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from firstboot.live_events import LiveEvent

ROOT = "$firstboot"

Levels = Sequence[str | None]
"""A topic level by level; None stands for any one level."""

_SHAPES: tuple[tuple[Levels, str], ...] = (
    ((ROOT, "events", None), "events"),
    ((ROOT, "devices", None, "telemetry"), "telemetry:read"),
    ((ROOT, "devices", None, "attributes", None), "attributes:read"),
)

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def is_ours(topic: str) -> bool:
    """Say whether a topic or filter is served here, and not by the broker."""
    return topic == ROOT or topic.startswith(f"{ROOT}/")


def scopes_needed(topic_filter: str) -> frozenset[str]:
    """Return the scopes that a token needs for all that a filter can match; none if that is nothing."""
    levels = topic_filter.split("/")
    return frozenset(scope for shape, scope in _SHAPES if matches(levels, shape))


def matches(filter_levels: Sequence[str], topic: Levels) -> bool:
    """Say whether a filter matches a topic (MQTT 5, section 4.7), or some topic of a shape."""
    for index, wanted in enumerate(filter_levels):
        if wanted == "#":
            return True  # also the level above it
        if index == len(topic):
            return False
        level = topic[index]
        if wanted != "+" and level is not None and wanted != level:
            return False
    return len(filter_levels) == len(topic)


def topic_of(event: LiveEvent) -> str:
    """Return the topic on which an event is told."""
    if event.kind == "telemetry":
        return f"{ROOT}/devices/{event.data['deviceId']}/telemetry"
    if event.kind == "attributes":
        return f"{ROOT}/devices/{event.data['deviceId']}/attributes/{event.data['scope']}"
    return f"{ROOT}/events/{event.kind}"


def payload_of(event: LiveEvent) -> bytes:
    """Return the JSON object that subscribers get: ``id``, ``kind``, ``ts`` in milliseconds, and what is known."""
    return _encode({"id": event.id, "kind": event.kind, "ts": event.at_ms, **event.data}).encode()
