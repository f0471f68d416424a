"""Retained messages."""

from __future__ import annotations

import logging
import time

import pytest

from firstboot_plugins.transports.mqtt.broker.message import BrokerMessage, unpack
from firstboot_plugins.transports.mqtt.broker.retained import RetainedMessages
from firstboot_plugins.transports.mqtt.packets import Property


def kept(retained: RetainedMessages, topic_filter: str) -> list[tuple[str, bytes]]:
    return sorted((each.topic, each.payload) for each in retained.matching(topic_filter))


def test_the_last_message_of_each_topic_is_kept_until_an_empty_one() -> None:
    retained = RetainedMessages(10, 10_000)
    for topic, payload in (("1/a", b"old"), ("1/a", b"new"), ("1/a/b", b"x"), ("2/a", b"y"), ("1/c", b"")):
        retained.keep(BrokerMessage(topic, payload), "device/1")

    assert kept(retained, "1/a") == [("1/a", b"new")]
    assert kept(retained, "1/#") == [("1/a", b"new"), ("1/a/b", b"x")]
    assert kept(retained, "1/a/#") == [("1/a", b"new"), ("1/a/b", b"x")]
    assert kept(retained, "1/+") == [("1/a", b"new")]
    assert kept(retained, "1/a/+") == [("1/a/b", b"x")]
    assert kept(retained, "3/#") == []

    retained.keep(BrokerMessage("1/a", b""), "device/2")
    assert kept(retained, "1/#") == [("1/a/b", b"x")]


def test_mq17_messages_and_bytes_of_a_tenant_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    retained = RetainedMessages(2, 2000)
    for topic in ("1/a", "1/b", "1/c", "2/a"):
        retained.keep(BrokerMessage(topic, b"x"), "device/1")
    assert [topic for topic, _ in kept(retained, "#")] == ["1/a", "1/b", "2/a"]

    retained.keep(BrokerMessage("2/b", b"x" * 2000), "device/1")

    assert [topic for topic, _ in kept(retained, "2/#")] == ["2/a"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    retained.keep(BrokerMessage("1/a", b""), "device/1")
    retained.keep(BrokerMessage("1/c", b"x"), "device/1")
    assert [topic for topic, _ in kept(retained, "1/#")] == ["1/b", "1/c"]


def test_mq9_what_somebody_published_goes_with_his_rights() -> None:
    retained = RetainedMessages(10, 10_000)
    retained.keep(BrokerMessage("1/a", b"x"), "device/1")
    retained.keep(BrokerMessage("1/b", b"x"), "device/1")
    retained.keep(BrokerMessage("1/b", b"y"), "device/10")

    retained.forget("device/1")

    assert kept(retained, "#") == [("1/b", b"y")]
    retained.forget("device/10")
    assert len(retained) == 0
    assert (retained._root.children, retained._topics, retained._bytes) == ({}, {}, {})


def test_an_expired_message_is_not_found_and_leaves_room() -> None:
    retained = RetainedMessages(1, 10_000)
    retained.keep(BrokerMessage("1/a", b"x", expires_at=time.monotonic() - 1), "device/1")

    assert kept(retained, "#") == []
    retained.drop_expired(time.monotonic())
    assert len(retained) == 0


def test_a_message_is_the_same_after_its_way_through_the_broker() -> None:
    properties = {Property.CONTENT_TYPE: "text/plain", Property.USER_PROPERTY: [("a", "1"), ("a", "2")]}
    message = BrokerMessage("1/t", b"\0payload", 2, True, 12345678901, 42.5, properties)

    assert unpack("1/t", message.pack()) == message
    assert unpack("t", BrokerMessage("t", b"").pack()) == BrokerMessage("t", b"")
