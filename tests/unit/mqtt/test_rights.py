"""What devices and applications may do on the topics of the broker (threat MQ-8)."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot_plugins.transports.mqtt.dialect import TopicRights
from firstboot_plugins.transports.mqtt.rights import ApplicationRights, DeviceRights
from firstboot_plugins.transports.mqtt.topic_syntax import covers

ID = UUID("0190f3c2-0000-7000-8000-000000000001")
OTHER = UUID("0190f3c2-0000-7000-8000-000000000002")
DEVICE = DeviceRights(7, ID)
WATCHER = ApplicationRights(7, publish=("devices/+/commands/#",), subscribe=("devices/#", "alarms/+"))


# -- devices ---------------------------------------------------------------------------------------


def test_a_device_s_subtree_carries_its_tenant_and_its_id() -> None:
    assert DEVICE.publish_to("devices/me/t/x") == f"7/devices/{ID}/t/x"
    assert DEVICE.subscribe_to("devices/me/+/#") == f"7/devices/{ID}/+/#"
    assert DEVICE.subscribe_to("devices/me/#") == f"7/devices/{ID}/#"
    assert DEVICE.seen_as(f"7/devices/{ID}/t/x") == "devices/me/t/x"
    assert DEVICE.seen_as(f"7/devices/{ID}") == "devices/me"


@pytest.mark.parametrize(
    "topic",
    [
        "devices/me", "devices/mex/t", "devices", "devices/", "/devices/me/t", f"devices/{ID}/t",
        f"devices/{OTHER}/t", f"7/devices/{ID}/t", "t", "$SYS/t", "v1/devices/me/telemetry", "devices/Me/t",
    ],
)  # fmt: skip
def test_mq8_a_device_may_publish_and_subscribe_nowhere_else(topic: str) -> None:
    assert DEVICE.publish_to(topic) is None
    assert DEVICE.subscribe_to(topic) is None


@pytest.mark.parametrize(
    "topic_filter",
    ["#", "+/#", "devices/#", "devices/+/t", "+/me/t", "$share/g/devices/me/t", "$SYS/#", "devices/+/#", "+/+/t"],
)
def test_mq8_a_device_may_not_subscribe_to_more_than_its_own(topic_filter: str) -> None:
    assert DEVICE.subscribe_to(topic_filter) is None


@pytest.mark.parametrize(
    "inner", [f"7/devices/{OTHER}/t", f"70/devices/{ID}/t", f"7/devices/{ID}0/t", "7/t", f"8/devices/{ID}/t"]
)
def test_mq8_a_device_sees_no_topic_of_others(inner: str) -> None:
    assert DEVICE.seen_as(inner) is None


# -- applications ----------------------------------------------------------------------------------


def test_an_application_has_what_its_filters_cover() -> None:
    assert WATCHER.publish_to("devices/1/commands/go") == "7/devices/1/commands/go"
    assert WATCHER.subscribe_to("devices/+/status") == "7/devices/+/status"
    assert WATCHER.subscribe_to("devices/#") == "7/devices/#"
    assert WATCHER.subscribe_to("alarms/fire") == "7/alarms/fire"
    assert WATCHER.seen_as("7/alarms/fire") == "alarms/fire"


@pytest.mark.parametrize("topic_filter", ["#", "+/#", "alarms/#", "+/1", "+", "alarms", "alarms/a/b", "$SYS/#"])
def test_mq8_a_filter_that_is_not_wholly_covered_is_refused(topic_filter: str) -> None:
    assert WATCHER.subscribe_to(topic_filter) is None


@pytest.mark.parametrize("topic", ["devices/1/status", "devices/1", "alarms/fire", "$SYS/x"])
def test_mq8_who_may_subscribe_may_not_publish_for_that(topic: str) -> None:
    assert WATCHER.publish_to(topic) is None


@pytest.mark.parametrize("inner", ["8/alarms/fire", "70/alarms/fire", "7/other", "alarms/fire"])
def test_mq8_an_application_sees_nothing_of_other_tenants_nor_beyond_its_filters(inner: str) -> None:
    assert WATCHER.seen_as(inner) is None


def test_op15_without_filters_nothing_is_allowed() -> None:
    nobody = ApplicationRights(7)

    assert nobody.publish_to("t") is None
    assert nobody.subscribe_to("t") is None
    assert nobody.seen_as("7/t") is None
    assert not nobody.may_retain


def test_everything_is_not_what_begins_with_a_dollar_sign() -> None:
    everything = ApplicationRights(7, ("#",), ("#",))

    assert everything.publish_to("$SYS/x") is None
    assert everything.subscribe_to("$SYS/#") is None
    assert everything.publish_to("a/$b") == "7/a/$b"
    assert everything.subscribe_to("#") == "7/#"


def test_both_are_topic_rights() -> None:
    rights: list[TopicRights] = [DEVICE, WATCHER]

    assert [each.may_retain for each in rights] == [False, False]


# -- filters ---------------------------------------------------------------------------------------

words = st.sampled_from(["a", "b", "", "$c"])
names = st.lists(words, min_size=1, max_size=4).map("/".join)
filters = st.builds(
    lambda levels, end: "/".join([*levels, *end]) or "#",
    st.lists(st.one_of(words, st.just("+")), max_size=4),
    st.sampled_from([[], ["#"]]),
)


def matches(topic_filter: str, topic: str) -> bool:
    """Match as MQTT 5 section 4.7 tells it, level by level from the front."""
    if topic[0:1] == "$" and topic_filter[0:1] in ("+", "#"):
        return False
    wanted, given = topic_filter.split("/"), topic.split("/")
    while wanted and wanted[0] != "#":
        if not given or wanted[0] not in ("+", given[0]):
            return False
        wanted, given = wanted[1:], given[1:]
    return bool(wanted) or not given


@given(filters, names)
@example("a/#", "a")
@example("#", "$c")
def test_a_filter_covers_the_names_that_it_matches(topic_filter: str, topic: str) -> None:
    assert covers(topic_filter, topic) == matches(topic_filter, topic)


@given(filters, filters, names)
def test_what_a_covered_filter_matches_the_wider_one_matches_too(wide: str, narrow: str, topic: str) -> None:
    if covers(wide, narrow) and matches(narrow, topic):
        assert matches(wide, topic)
