"""Contract section 6: the topics of a device's session, in each of their spellings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot_plugins.dialects.thingsboard.device_topics import Downlink, Uplink, is_ours, published, subscribed

ME = "v1/devices/me"


@pytest.mark.parametrize(
    ("topic", "kind", "number"),
    [
        (f"{ME}/telemetry", Uplink.TELEMETRY, 0),
        (f"{ME}/attributes", Uplink.ATTRIBUTES, 0),
        (f"{ME}/attributes/request/1", Uplink.ATTRIBUTES_WANTED, 1),
        (f"{ME}/rpc/request/0", Uplink.CALL, 0),
        (f"{ME}/rpc/response/2147483647", Uplink.ANSWER, 2147483647),
        (f"{ME}/claim", Uplink.CLAIM, 0),
        (f"{ME}/release", Uplink.RELEASE, 0),
        ("v2/t", Uplink.TELEMETRY, 0),
        ("v2/t/j", Uplink.TELEMETRY, 0),
        ("v2/t/p", Uplink.PROTOBUF, 0),
        ("v2/a", Uplink.ATTRIBUTES, 0),
        ("v2/a/j", Uplink.ATTRIBUTES, 0),
        ("v2/a/p", Uplink.PROTOBUF, 0),
        ("v2/a/req/7", Uplink.ATTRIBUTES_WANTED, 7),
        ("v2/a/req/j/7", Uplink.ATTRIBUTES_WANTED, 7),
        ("v2/a/req/p/7", Uplink.PROTOBUF, 7),
        ("v2/r/req/7", Uplink.CALL, 7),
        ("v2/r/req/j/7", Uplink.CALL, 7),
        ("v2/r/req/p/7", Uplink.PROTOBUF, 7),
        ("v2/r/res/7", Uplink.ANSWER, 7),
        ("v2/r/res/j/7", Uplink.ANSWER, 7),
        ("v2/r/res/p/7", Uplink.PROTOBUF, 7),
        ("v1/gateway/telemetry", Uplink.GATEWAY, 0),
        ("v1/gateway/attributes/request", Uplink.GATEWAY, 0),
    ],
)
def test_6_each_topic_that_a_device_publishes_to_is_known(topic: str, kind: Uplink, number: int) -> None:
    meant = published(topic)

    assert meant is not None
    assert (meant.kind, meant.request_id) == (kind, number)


@pytest.mark.parametrize(
    "topic",
    [
        "", "v1", "v2", "v2/", "v1/devices/me", f"{ME}/", f"{ME}/Telemetry", f"{ME}/telemetry/",
        f"/{ME}/telemetry",
        f"{ME}/claims", "v1/devices/other/telemetry", f"{ME}/attributes/request", f"{ME}/attributes/request/",
        f"{ME}/attributes/request/x", f"{ME}/attributes/request/-1", f"{ME}/attributes/request/1/2",
        f"{ME}/attributes/response/1", f"{ME}/rpc/request/1.5", f"{ME}/rpc/request/\N{ARABIC-INDIC DIGIT FIVE}",
        f"{ME}/rpc/request/2147483648", f"{ME}/rpc/request/{'9' * 5000}", "v2/a/res/1", "v2/t/x",
        "v2/fw/request/1", "v2/c", "v2/claim", f"{ME}/claim/", f"{ME}/claim/1",
        "/provision/request", "v1/gateway", "devices/me/x", "$SYS/x",
    ],
)  # fmt: skip
def test_da_1_any_other_topic_is_none_of_them(topic: str) -> None:
    assert published(topic) is None


@pytest.mark.parametrize(
    ("topic_filter", "kind"),
    [
        (f"{ME}/attributes", Downlink.ATTRIBUTES_CHANGED),
        (f"{ME}/attributes/response/+", Downlink.ATTRIBUTES_FOUND),
        (f"{ME}/rpc/request/+", Downlink.CALL),
        (f"{ME}/rpc/response/+", Downlink.ANSWER),
        ("v2/a", Downlink.ATTRIBUTES_CHANGED),
        ("v2/a/j", Downlink.ATTRIBUTES_CHANGED),
        ("v2/a/res/+", Downlink.ATTRIBUTES_FOUND),
        ("v2/a/res/j/+", Downlink.ATTRIBUTES_FOUND),
        ("v2/r/req/+", Downlink.CALL),
        ("v2/r/req/j/+", Downlink.CALL),
        ("v2/r/res/+", Downlink.ANSWER),
        ("v2/r/res/j/+", Downlink.ANSWER),
        ("v1/gateway/attributes", Downlink.GATEWAY),
        ("v1/gateway/attributes/response", Downlink.GATEWAY),
        ("v1/gateway/rpc", Downlink.GATEWAY),
    ],
)
def test_da_4_each_filter_of_the_contract_is_known(topic_filter: str, kind: Downlink) -> None:
    meant = subscribed(topic_filter)

    assert meant is not None
    assert meant.kind is kind


@pytest.mark.parametrize(
    "topic_filter",
    [
        "#", "+", "v1/#", "v2/#", "+/devices/me/attributes", "v1/devices/+/attributes", f"{ME}/#", f"{ME}/+",
        f"{ME}/rpc/+/+", f"{ME}/rpc/request/#", f"{ME}/telemetry", "v1/devices/other/attributes", "v2/a/p",
        "v2/a/res/p/+", "v2/r/req/p/+", "v1/gateway/#", "v1/gateway/+", "/provision/response", "$SYS/#",
        f"$share/g/{ME}/attributes",
    ],
)  # fmt: skip
def test_mq_7_and_mq_8_no_other_filter_is_granted(topic_filter: str) -> None:
    assert subscribed(topic_filter) is None


@pytest.mark.parametrize(
    "topic",
    ["v1", "v1/", "v1/#", "v1/devices/me/telemetry", "v1/gateway/x", "v1/x", "v2/t", "v2/#", "/provision",
     "/provision/response", "/provision/#"],
)  # fmt: skip
def test_the_contracts_topics_never_go_to_the_broker(topic: str) -> None:
    assert is_ours(topic)


@pytest.mark.parametrize(
    "topic",
    ["", "/", "#", "+/devices/me/#", "devices/me/x", "v10/x", "V1/x", "/provisional", "a/v1", "provision/x"],
)
def test_all_other_topics_are_the_brokers(topic: str) -> None:
    assert not is_ours(topic)


@given(st.text(alphabet="v12/devicmgatwyrqslp+#j0123456789", max_size=40))
def test_whatever_is_understood_is_ours(text: str) -> None:
    if published(text) is not None or subscribed(text) is not None:
        assert is_ours(text)
