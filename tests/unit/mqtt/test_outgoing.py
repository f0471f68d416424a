"""Messages on their way to a client."""

from __future__ import annotations

import time

import pytest

from firstboot_plugins.transports.mqtt.dialect import Message
from firstboot_plugins.transports.mqtt.outgoing import NotAcknowledged, Ordinary, Outgoing
from firstboot_plugins.transports.mqtt.packets import (
    Connect,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    decode_frame,
)


async def delivered() -> None:
    """Stand for what is called when a message has arrived."""


def message(payload: bytes = b"x", qos: int = 1) -> Message:
    return Message("t", payload, qos, delivered)


def ordinary(payload: bytes = b"x", qos: int = 1, expires_at: float = float("inf")) -> Ordinary:
    return Ordinary("t", payload, qos, expires_at=expires_at)


def frame(packet_id: int, payload: bytes = b"x") -> bytes:
    return b"\x32%c\0\x01t%b%b" % (5 + len(payload), packet_id.to_bytes(2, "big"), payload)


def sent(outgoing: Outgoing, *messages: Message) -> list[bytes]:
    """Send messages; return the frames that are written at once."""
    frames = []
    for each in messages:
        outgoing.send(each)
        while given := outgoing.next():
            frames.append(given)
    return frames


def client(level: int = 4, **properties: int) -> Connect:
    return Connect(level, "c", properties={Property[name]: value for name, value in properties.items()})


# -- numbers and room ------------------------------------------------------------------------------


def test_qos_0_is_neither_numbered_nor_held_back() -> None:
    outgoing = Outgoing(client(), 1)
    sent(outgoing, message(), message())

    assert sent(outgoing, *[message(qos=0)] * 3) == [b"\x30\x04\0\x01tx"] * 3


def test_messages_wait_for_room_in_order_and_only_so_many() -> None:
    outgoing = Outgoing(client(), 2)

    assert sent(outgoing, *map(message, (b"1", b"2", b"3", b"4"))) == [frame(1, b"1"), frame(2, b"2")]
    with pytest.raises(NotAcknowledged):
        outgoing.send(message(b"5"))
    assert (outgoing.acknowledged(2), outgoing.next()) == (delivered, frame(3, b"3"))
    assert (outgoing.acknowledged(1), outgoing.next()) == (delivered, frame(4, b"4"))
    assert (outgoing.acknowledged(3), outgoing.next()) == (delivered, b"")


def test_mq11_bytes_that_wait_are_bounded() -> None:
    outgoing = Outgoing(client(), 1, most_waiting=100, most_bytes=50)
    sent(outgoing, ordinary(), *[ordinary(b"x" * 24)] * 2)

    with pytest.raises(NotAcknowledged):
        outgoing.send(ordinary())


def test_one_message_may_wait_however_large_it_is() -> None:
    outgoing = Outgoing(client(), 1, most_waiting=100, most_bytes=50)

    assert len(sent(outgoing, ordinary(b"x" * 1000))) == 1


@pytest.mark.parametrize("packet_id", [2, 65_535])
def test_an_unknown_acknowledgement_changes_nothing(packet_id: int) -> None:
    outgoing = Outgoing(client(), 1)
    sent(outgoing, message(b"1"), message(b"2"))

    assert (outgoing.acknowledged(packet_id), outgoing.next()) == (None, b"")
    assert (outgoing.acknowledged(1), outgoing.next()) == (delivered, frame(2, b"2"))
    assert (outgoing.acknowledged(1), outgoing.next()) == (None, b"")


def test_packet_ids_begin_again_after_the_last_and_skip_those_in_use() -> None:
    outgoing = Outgoing(client(), 3)
    assert sent(outgoing, message()) == [frame(1)]  # never acknowledged
    for packet_id in range(2, 65_536):
        assert sent(outgoing, message()) == [frame(packet_id)]
        outgoing.acknowledged(packet_id)

    assert sent(outgoing, message()) == [frame(2)]


def test_the_client_s_receive_maximum_lowers_the_window_and_never_raises_it() -> None:
    narrow = Outgoing(client(5, RECEIVE_MAXIMUM=1), 5)
    wide = Outgoing(client(5, RECEIVE_MAXIMUM=65_535), 2)

    assert len(sent(narrow, *[message()] * 3)) == 1
    assert len(sent(wide, *[message()] * 3)) == 2


def test_mqtt_3_1_2_25_a_message_too_large_for_the_client_is_dropped_and_takes_no_room() -> None:
    size = len(b"\x32\x07\0\x01t\0\x01\0") + 10
    outgoing = Outgoing(client(5, MAXIMUM_PACKET_SIZE=size, RECEIVE_MAXIMUM=1), 5)

    assert sent(outgoing, message(b"x" * 11)) == []
    assert [len(each) for each in sent(outgoing, message(b"x" * 10))] == [size]
    assert sent(outgoing, message(b"y" * 11), message(b"z")) == []
    outgoing.acknowledged(1)
    assert outgoing.next()[-1:] == b"z"
    # QoS 0 has no packet id: two bytes more.
    assert len(sent(outgoing, message(b"x" * 12, qos=0), message(b"x" * 13, qos=0))) == 1


def test_messages_for_later_come_after_those_that_wait_and_are_bounded() -> None:
    outgoing = Outgoing(client(), 1)
    outgoing.send_later([ordinary(b"later", 0)], 1)

    assert sent(outgoing, message(b"now")) == [frame(1, b"now"), b"\x30\x08\0\x01tlater"]
    with pytest.raises(NotAcknowledged):
        outgoing.send_later([ordinary()] * 2, 1)


# -- QoS 2 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [3, 4, 5])
def test_a_message_with_qos_2_takes_two_acknowledgements(level: int) -> None:
    outgoing = Outgoing(client(level), 1)
    (first,) = sent(outgoing, ordinary(b"1", 2), ordinary(b"2", 2))

    assert first[0] == 0x34
    assert not outgoing.expects(Puback(1))
    assert not outgoing.expects(Pubcomp(1))
    assert outgoing.expects(Pubrec(1))
    assert outgoing.received(1, 0) == Pubrel(1).encode(level)
    assert outgoing.next() == b""
    assert outgoing.expects(Pubcomp(1))
    assert not outgoing.expects(Pubrec(1))
    outgoing.acknowledged(1)
    assert outgoing.next()[-1:] == b"2"


def test_puback_does_not_end_a_message_with_qos_2() -> None:
    outgoing = Outgoing(client(), 1)
    sent(outgoing, ordinary(b"1", 2), ordinary(b"2", 2))

    outgoing.acknowledged(1)

    assert outgoing.next() == b""
    assert outgoing.received(1, 0) == Pubrel(1).encode(4)


def test_a_client_that_refuses_a_message_with_qos_2_is_done_with_it() -> None:
    outgoing = Outgoing(client(5), 1)
    sent(outgoing, ordinary(b"1", 2), ordinary(b"2", 2))

    assert outgoing.received(1, 0x97) == b""
    assert outgoing.next()[-1:] == b"2"


def test_pubrec_for_an_unknown_message_is_answered_so() -> None:
    assert Outgoing(client(5), 1).received(7, 0) == Pubrel(7, 0x92).encode(5)
    assert Outgoing(client(4), 1).received(7, 0) == Pubrel(7).encode(4)


# -- a client that comes back ----------------------------------------------------------------------


def test_what_was_not_acknowledged_is_sent_again_in_the_old_order() -> None:
    outgoing = Outgoing(client(), 5)
    sent(outgoing, ordinary(b"1"), ordinary(b"2", 2), ordinary(b"3", 2), message(b"dialect"), ordinary(b"5"))
    outgoing.received(2, 0)
    outgoing.acknowledged(5)

    outgoing.keep_ordinary(100, 65_536)
    outgoing.attach(client(5))

    again = outgoing.again()
    first = Publish("t", b"1", 1, dup=True, packet_id=1).encode(5)
    third = Publish("t", b"3", 2, dup=True, packet_id=3).encode(5)
    assert again == first + Pubrel(2).encode(5) + third
    assert sent(outgoing, ordinary(b"6")) == [Publish("t", b"6", 1, packet_id=6).encode(5)]


def test_what_is_kept_for_an_absent_client_is_bounded() -> None:
    outgoing = Outgoing(client(), 1, most_waiting=100)
    messages = [
        ordinary(b"1"),
        message(b"2"),
        ordinary(b"3" * 100),
        ordinary(b"4"),
        ordinary(b"5"),
        ordinary(b"6"),
    ]
    sent(outgoing, *messages, ordinary(b"0", qos=0))

    outgoing.keep_ordinary(2, 99)

    assert outgoing.waiting == 2
    assert outgoing.held_bytes == 3 * len("t1")
    outgoing.acknowledged(1)
    assert outgoing.next()[-1:] == b"4"
    outgoing.acknowledged(2)
    assert outgoing.next()[-1:] == b"5"
    outgoing.acknowledged(3)
    assert outgoing.next() == b""


def test_what_was_kept_does_not_count_against_the_new_connection() -> None:
    outgoing = Outgoing(client(), 1, most_waiting=10, most_bytes=10)
    for _ in range(9):
        outgoing.store(ordinary(b"x" * 10))
    outgoing.attach(client())

    outgoing.send(ordinary(b"x" * 8))


def test_an_expired_message_is_not_sent_and_the_others_tell_what_is_left() -> None:
    outgoing = Outgoing(client(5), 5)
    now = time.monotonic()

    (only,) = sent(outgoing, ordinary(b"old", expires_at=now - 1), ordinary(b"new", expires_at=now + 100))

    packet = decode_frame(only, 5, from_server=True)
    assert isinstance(packet, Publish)
    assert packet.payload == b"new"
    assert 95 < packet.properties[Property.MESSAGE_EXPIRY_INTERVAL] <= 100
