"""Topics of an account's devices, inside and outside (contract 6.1)."""

from __future__ import annotations

import pytest

from firstboot_plugins.dialects.thinger.topic_rights import AccountRights

SHARED = AccountRights(7)
PRIVATE = AccountRights(7, "meter1")


@pytest.mark.parametrize("topic", ["telemetry", "a/b", "#", "+/x", "/", "//x", "thinger/x", "7/thinger/x"])
def test_every_topic_has_a_place_within_the_account(topic: str) -> None:
    assert SHARED.publish_to(topic) == SHARED.subscribe_to(topic) == f"7/thinger/{topic}"
    assert SHARED.seen_as(f"7/thinger/{topic}") == topic


@pytest.mark.parametrize(
    "inner", ["7/thinger", "7/devices/x", "77/thinger/x", "8/thinger/x", "thinger/x", "7/thingerx/a"]
)
def test_nothing_else_is_seen(inner: str) -> None:
    assert SHARED.seen_as(inner) is None


@pytest.mark.parametrize("topic", ["meter1/x", "meter1/#", "meter1/+/y", "meter1/"])
def test_private_topics_begin_with_the_devices_id(topic: str) -> None:
    assert PRIVATE.publish_to(topic) == PRIVATE.subscribe_to(topic) == f"7/thinger/{topic}"
    assert PRIVATE.seen_as(f"7/thinger/{topic}") == topic


@pytest.mark.parametrize("topic", ["meter1", "meter2/x", "meter12/x", "#", "+/x", "/meter1/x", "", "METER1/x"])
def test_other_topics_are_nobodys_with_private_topics(topic: str) -> None:
    assert PRIVATE.publish_to(topic) is PRIVATE.subscribe_to(topic) is None
    assert PRIVATE.seen_as(f"7/thinger/{topic}") is None


def test_devices_retain_nothing() -> None:
    assert not SHARED.may_retain
    assert not PRIVATE.may_retain
