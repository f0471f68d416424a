"""What applications may subscribe to, and which topics their filters match."""

from __future__ import annotations

import json

import pytest

from firstboot.live_events import LiveEvent
from firstboot_plugins.dialects.applications.topics import (
    is_ours,
    matches,
    payload_of,
    scopes_needed,
    topic_of,
)

ALL = {"events", "telemetry:read", "attributes:read"}
DEVICE = "018f0000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("topic_filter", "scopes"),
    [
        ("$firstboot/#", ALL),
        ("$firstboot/devices/#", {"telemetry:read", "attributes:read"}),
        (f"$firstboot/devices/{DEVICE}/telemetry", {"telemetry:read"}),
        ("$firstboot/devices/+/telemetry", {"telemetry:read"}),
        ("$firstboot/devices/+/telemetry/#", {"telemetry:read"}),
        ("$firstboot/devices/+/+", {"telemetry:read"}),
        ("$firstboot/devices/+/attributes/shared", {"attributes:read"}),
        ("$firstboot/+/+/attributes/#", {"attributes:read"}),
        ("$firstboot/events/+", {"events"}),
        ("$firstboot/events/device-provisioned", {"events"}),
        ("$firstboot/+/+", {"events"}),
    ],
)
def test_a_filter_needs_the_scopes_of_everything_that_it_can_match(topic_filter: str, scopes: set[str]) -> None:
    assert scopes_needed(topic_filter) == scopes


@pytest.mark.parametrize("topic_filter", ["$firstboot", "$firstboot/x/y", "$firstboot/devices/+/attributes/a/b"])
def test_a_filter_that_matches_nothing_needs_no_scope(topic_filter: str) -> None:
    assert scopes_needed(topic_filter) == frozenset()


@pytest.mark.parametrize(
    ("topic_filter", "topic", "matched"),
    [
        ("a/#", "a", True), ("a/#", "a/b/c", True), ("a/+", "a/b", True), ("a/+", "a", False),
        ("a/+", "a/b/c", False), ("a/b", "a/b", True), ("a/b", "a/c", False), ("a/b/c", "a/b", False),
        ("a/+/c", "a//c", True), ("a/+", "a/", True),
    ],
)  # fmt: skip
def test_filters_match_as_mqtt_says(topic_filter: str, topic: str, matched: bool) -> None:
    assert matches(topic_filter.split("/"), topic.split("/")) is matched


def test_only_topics_below_the_root_are_ours() -> None:
    assert is_ours("$firstboot/events/x")
    assert not any(map(is_ours, ("$firstbootx", "firstboot/events/x", "#", "+/events/x", "$SYS/#")))


@pytest.mark.parametrize(
    ("kind", "data", "topic"),
    [
        ("telemetry", {"deviceId": DEVICE}, f"$firstboot/devices/{DEVICE}/telemetry"),
        ("attributes", {"deviceId": DEVICE, "scope": "shared"}, f"$firstboot/devices/{DEVICE}/attributes/shared"),
        ("device-provisioned", {"deviceId": DEVICE}, "$firstboot/events/device-provisioned"),
    ],
)
def test_each_event_is_told_on_one_topic(kind: str, data: dict[str, str], topic: str) -> None:
    event = LiveEvent(id=7, kind=kind, tenant_id=1, at_ms=1700000000000, data=data)

    assert topic_of(event) == topic
    assert json.loads(payload_of(event)) == {"id": 7, "kind": kind, "ts": 1700000000000, **data}
