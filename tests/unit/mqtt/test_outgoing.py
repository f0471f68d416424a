"""Messages on their way to a client."""

from __future__ import annotations

import pytest

from firstboot_plugins.transports.mqtt.dialect import Message
from firstboot_plugins.transports.mqtt.outgoing import NotAcknowledged, Outgoing
from firstboot_plugins.transports.mqtt.packets import Connect, Property


async def delivered() -> None:
    """Stand for what is called when a message has arrived."""


def message(payload: bytes = b"x", qos: int = 1) -> Message:
    return Message("t", payload, qos, delivered)


def frame(packet_id: int, payload: bytes = b"x") -> bytes:
    return b"\x32%c\0\x01t%b%b" % (5 + len(payload), packet_id.to_bytes(2, "big"), payload)


def test_qos_0_is_neither_numbered_nor_held_back() -> None:
    outgoing = Outgoing(Connect(4, "c"), 1)

    assert [outgoing.send(message(qos=0)) for _ in range(3)] == [b"\x30\x04\0\x01tx"] * 3


def test_messages_wait_for_room_in_order_and_only_so_many() -> None:
    outgoing = Outgoing(Connect(4, "c"), 2)

    sent = [outgoing.send(message(payload)) for payload in (b"1", b"2", b"3", b"4")]

    assert sent == [frame(1, b"1"), frame(2, b"2"), b"", b""]
    with pytest.raises(NotAcknowledged):
        outgoing.send(message(b"5"))
    assert outgoing.acknowledged(2) == (frame(3, b"3"), delivered)
    assert outgoing.acknowledged(1) == (frame(4, b"4"), delivered)
    assert outgoing.acknowledged(3) == (b"", delivered)


@pytest.mark.parametrize("packet_id", [2, 65_535])
def test_an_unknown_acknowledgement_changes_nothing(packet_id: int) -> None:
    outgoing = Outgoing(Connect(4, "c"), 1)
    outgoing.send(message(b"1"))
    outgoing.send(message(b"2"))

    assert outgoing.acknowledged(packet_id) == (b"", None)
    assert outgoing.acknowledged(1) == (frame(2, b"2"), delivered)
    assert outgoing.acknowledged(1) == (b"", None)


def test_packet_ids_begin_again_after_the_last_and_skip_those_in_use() -> None:
    outgoing = Outgoing(Connect(4, "c"), 3)
    assert outgoing.send(message()) == frame(1)  # never acknowledged
    for packet_id in range(2, 65_536):
        assert outgoing.send(message()) == frame(packet_id)
        outgoing.acknowledged(packet_id)

    assert outgoing.send(message()) == frame(2)


def test_the_client_s_receive_maximum_lowers_the_window_and_never_raises_it() -> None:
    narrow = Outgoing(Connect(5, "c", properties={Property.RECEIVE_MAXIMUM: 1}), 5)
    wide = Outgoing(Connect(5, "c", properties={Property.RECEIVE_MAXIMUM: 65_535}), 2)

    assert [bool(narrow.send(message())) for _ in range(3)] == [True, False, False]
    assert [bool(wide.send(message())) for _ in range(3)] == [True, True, False]


def test_mqtt_3_1_2_25_a_message_too_large_for_the_client_is_dropped_and_takes_no_room() -> None:
    size = len(b"\x32\x07\0\x01t\0\x01\0") + 10
    outgoing = Outgoing(
        Connect(5, "c", properties={Property.MAXIMUM_PACKET_SIZE: size, Property.RECEIVE_MAXIMUM: 1}), 5
    )

    assert outgoing.send(message(b"x" * 11)) == b""
    assert len(outgoing.send(message(b"x" * 10))) == size
    assert outgoing.send(message(b"y" * 11)) == b""
    assert outgoing.send(message(b"z")) == b""
    assert outgoing.acknowledged(1)[0][-1:] == b"z"
    assert outgoing.send(message(b"x" * 12, qos=0)) != b""  # QoS 0 has no packet id: two bytes more
    assert outgoing.send(message(b"x" * 13, qos=0)) == b""
