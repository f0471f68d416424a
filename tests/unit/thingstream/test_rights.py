"""What a Thing may do on the topics of the broker."""

from __future__ import annotations

from uuid import UUID

import pytest

from firstboot_plugins.dialects.thingstream.rights import ThingRights

ID = "6d1f0b9e-2f6c-4a39-8a0e-3f0c8f1f2b77"
RIGHTS = ThingRights(7, UUID(ID))


@pytest.mark.parametrize(
    ("topic", "inner"),
    [
        (f"device:{ID}/cloudlocate/response", f"7/device:{ID}/cloudlocate/response"),
        (f"device:{ID}/#", f"7/device:{ID}/#"),
        ("devices/me/news", f"7/devices/{ID}/news"),
        (f"device:{ID}", None),
        (f"device:{ID.upper()}/x", None),
        ("device:00000000-2f6c-4a39-8a0e-3f0c8f1f2b77/x", None),
        ("+/cloudlocate/response", None),
        ("#", None),
        (f"7/device:{ID}/x", None),
        (f"/device:{ID}/x", None),
        ("$SYS/x", None),
    ],
)
def test_a_thing_has_its_own_subtree_and_that_of_every_device(topic: str, inner: str | None) -> None:
    assert (RIGHTS.publish_to(topic), RIGHTS.subscribe_to(topic)) == (inner, inner)
    if inner is not None and "#" not in topic:
        assert RIGHTS.seen_as(inner) == topic


@pytest.mark.parametrize("inner", [f"8/device:{ID}/x", f"7/device:{ID}", "7/devices/other/x", f"77/device:{ID}/x"])
def test_what_is_another_s_is_not_seen(inner: str) -> None:
    assert RIGHTS.seen_as(inner) is None
