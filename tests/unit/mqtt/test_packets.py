"""The MQTT wire codec against frames written by hand.

Clause numbers are those of the specification of the level under test; MQTT 3.1 numbers no clauses.
"""

import tracemalloc
from collections.abc import Iterator

import pytest

from firstboot_plugins.transports.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Limits,
    MalformedPacket,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    UnsupportedProtocol,
    Will,
    decode_frame,
)

LEVELS = (3, 4, 5)
MALFORMED, PROTOCOL_ERROR = 0x81, 0x82
PROTOCOL = {3: b"\0\6MQIsdp\3", 4: b"\0\4MQTT\4", 5: b"\0\4MQTT\5"}
CONNECT = {
    3: b"\x10\x0f\0\6MQIsdp\3\x02\0\x3c\0\1d",
    4: b"\x10\x0d\0\4MQTT\4\x02\0\x3c\0\1d",
    5: b"\x10\x0e\0\4MQTT\5\x02\0\x3c\0\0\1d",
}
ID = b"\0\7"


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return len(raw).to_bytes(2, "big") + raw


def frame(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size, header = len(body), bytearray((first,))
    while True:
        size, low = divmod(size, 128)
        header.append(low | (0x80 if size else 0))
        if not size:
            return bytes(header) + body


def connect(level: int, flags: int, *payload: bytes) -> bytes:
    return frame(0x10, PROTOCOL[level], bytes((flags,)), b"\0\x3c", none(level), *payload)


def none(level: int) -> bytes:
    """An empty property section, where the level has any."""
    return b"\0" if level == 5 else b""


def properties(*items: bytes) -> bytes:
    section = b"".join(items)
    assert len(section) < 128
    return bytes((len(section),)) + section


def new_reader(limits: Limits | None = None) -> PacketReader:
    return PacketReader(65_536, 8_192, limits=limits or Limits())


def connected(level: int) -> PacketReader:
    reader = new_reader()
    assert len(list(reader.feed(CONNECT[level]))) == 1
    return reader


def refusal_of(reader: PacketReader, data: bytes) -> MalformedPacket:
    with pytest.raises(MalformedPacket) as caught:
        list(reader.feed(data))
    return caught.value


# --- every packet, byte by byte -----------------------------------------------------------------------

WILL = Will("a/w", b"bye", 1, True)
USER = b"\x26" + text("k") + text("v")
BOTH_WAYS = [
    # (from_server, level, packet, frame)
    (False, 3, Connect(3, "d", True, 60), CONNECT[3]),
    (False, 4, Connect(4, "d", True, 60), CONNECT[4]),
    (False, 5, Connect(5, "d", True, 60), CONNECT[5]),
    (
        False,
        4,
        Connect(4, "", False, 0, "u", b"\xff\0", WILL),
        frame(0x10, PROTOCOL[4], b"\xec\0\0", text(""), text("a/w"), text("bye"), text("u"), text(b"\xff\0")),
    ),
    (
        False,
        5,
        Connect(
            5,
            "d",
            True,
            1,
            None,
            b"p",
            Will("a", b"", 2, False, {Property.WILL_DELAY_INTERVAL: 5, Property.RESPONSE_TOPIC: "r"}),
            {
                Property.SESSION_EXPIRY_INTERVAL: 0xFFFFFFFF,
                Property.AUTHENTICATION_METHOD: "m",
                Property.AUTHENTICATION_DATA: b"\0",
                Property.REQUEST_PROBLEM_INFORMATION: 0,
                Property.REQUEST_RESPONSE_INFORMATION: 1,
                Property.RECEIVE_MAXIMUM: 1,
                Property.TOPIC_ALIAS_MAXIMUM: 0,
                Property.USER_PROPERTY: [("k", "v"), ("k", "")],
                Property.MAXIMUM_PACKET_SIZE: 256,
            },
        ),
        frame(
            0x10,
            PROTOCOL[5],
            b"\x56\0\1",
            properties(
                b"\x11\xff\xff\xff\xff",
                b"\x15" + text("m"),
                b"\x16" + text(b"\0"),
                b"\x17\0",
                b"\x19\1",
                b"\x21\0\1",
                b"\x22\0\0",
                USER,
                b"\x26" + text("k") + text(""),
                b"\x27\0\0\1\0",
            ),
            text("d"),
            properties(b"\x08" + text("r"), b"\x18\0\0\0\5"),
            text("a"),
            text(""),
            text("p"),
        ),
    ),
    (True, 3, Connack(False, 2), b"\x20\2\0\2"),
    (True, 4, Connack(), b"\x20\2\0\0"),
    (True, 4, Connack(True), b"\x20\2\1\0"),
    (True, 5, Connack(), b"\x20\3\0\0\0"),
    (True, 5, Connack(False, 0x84), b"\x20\3\0\x84\0"),
    (
        True,
        5,
        Connack(
            True,
            0,
            {
                Property.SESSION_EXPIRY_INTERVAL: 0,
                Property.ASSIGNED_CLIENT_IDENTIFIER: "x",
                Property.SERVER_KEEP_ALIVE: 3600,
                Property.RESPONSE_INFORMATION: "r",
                Property.SERVER_REFERENCE: "s",
                Property.REASON_STRING: "",
                Property.MAXIMUM_QOS: 1,
                Property.RETAIN_AVAILABLE: 0,
                Property.WILDCARD_SUBSCRIPTION_AVAILABLE: 0,
                Property.SUBSCRIPTION_IDENTIFIER_AVAILABLE: 0,
                Property.SHARED_SUBSCRIPTION_AVAILABLE: 0,
            },
        ),
        frame(
            0x20,
            b"\1\0",
            properties(
                b"\x11\0\0\0\0",
                b"\x12" + text("x"),
                b"\x13\x0e\x10",
                b"\x1a" + text("r"),
                b"\x1c" + text("s"),
                b"\x1f" + text(""),
                b"\x24\1",
                b"\x25\0",
                b"\x28\0",
                b"\x29\0",
                b"\x2a\0",
            ),
        ),
    ),
    (False, 3, Publish("a/b", b"x"), b"\x30\6\0\3a/bx"),
    (False, 4, Publish("a", b"", 2, True, True, 7), b"\x3d\5\0\1a\0\7"),
    (False, 5, Publish("a", b"x", 1, False, False, 65_535), b"\x32\7\0\1a\xff\xff\0x"),
    (False, 5, Publish("", b"", properties={Property.TOPIC_ALIAS: 9}), b"\x30\6\0\0\3\x23\0\x09"),
    (
        False,
        5,
        Publish(
            "a",
            b"x",
            properties={
                Property.PAYLOAD_FORMAT_INDICATOR: 1,
                Property.MESSAGE_EXPIRY_INTERVAL: 2,
                Property.CONTENT_TYPE: "c",
                Property.CORRELATION_DATA: b"\xff",
            },
        ),
        frame(
            0x30,
            text("a"),
            properties(b"\1\1", b"\2\0\0\0\2", b"\3" + text("c"), b"\x09" + text(b"\xff")),
            b"x",
        ),
    ),
    (
        True,
        5,
        Publish("a", b"", properties={Property.SUBSCRIPTION_IDENTIFIER: [1, 128, 268_435_455]}),
        frame(0x30, text("a"), properties(b"\x0b\1", b"\x0b\x80\1", b"\x0b\xff\xff\xff\x7f")),
    ),
    *((False, level, make(7), bytes((first, 2)) + ID) for level in LEVELS for make, first in (
        (Puback, 0x40), (Pubrec, 0x50), (Pubrel, 0x62), (Pubcomp, 0x70))),
    *((False, 5, make(7, 0x92), bytes((first, 3)) + ID + b"\x92") for make, first in (
        (Pubrel, 0x62), (Pubcomp, 0x70))),
    (True, 5, Puback(7, 0x90), b"\x40\3\0\7\x90"),
    (
        True,
        5,
        Pubrec(7, 0, {Property.REASON_STRING: "r", Property.USER_PROPERTY: [("k", "v")]}),
        frame(0x50, ID, b"\0", properties(b"\x1f" + text("r"), USER)),
    ),
    (False, 3, Subscribe(7, [("a", 1), ("+/#", 0)]), frame(0x82, ID, text("a"), b"\1", text("+/#"), b"\0")),
    (False, 4, Subscribe(7, [("#", 2)]), b"\x82\6\0\7\0\1#\2"),
    (
        False,
        5,
        Subscribe(7, [("$share/g/a/+", 0x2A), ("b", 0x1D)], {Property.SUBSCRIPTION_IDENTIFIER: [200]}),
        frame(0x82, ID, properties(b"\x0b\xc8\1"), text("$share/g/a/+"), b"\x2a", text("b"), b"\x1d"),
    ),
    (True, 3, Suback(7, [1]), b"\x90\3\0\7\1"),
    (True, 4, Suback(7, [0, 2, 0x80]), b"\x90\5\0\7\0\2\x80"),
    (True, 5, Suback(7, [1, 0x8F]), b"\x90\5\0\7\0\1\x8f"),
    (False, 3, Unsubscribe(7, ["a"]), b"\xa2\5\0\7\0\1a"),
    (False, 4, Unsubscribe(7, ["a", "b/#"]), frame(0xA2, ID, text("a"), text("b/#"))),
    (
        False,
        5,
        Unsubscribe(7, ["a"], {Property.USER_PROPERTY: [("k", "v")]}),
        frame(0xA2, ID, properties(USER), text("a")),
    ),
    (True, 3, Unsuback(7), b"\xb0\2\0\7"),
    (True, 4, Unsuback(7), b"\xb0\2\0\7"),
    (True, 5, Unsuback(7, [0, 0x11]), b"\xb0\5\0\7\0\0\x11"),
    *((False, level, Pingreq(), b"\xc0\0") for level in LEVELS),
    *((True, level, Pingresp(), b"\xd0\0") for level in LEVELS),
    *((False, level, Disconnect(), b"\xe0\0") for level in LEVELS),
    (False, 5, Disconnect(4), b"\xe0\1\4"),
    (False, 5, Disconnect(0, {Property.SESSION_EXPIRY_INTERVAL: 1}), b"\xe0\7\0\5\x11\0\0\0\1"),
    (True, 5, Disconnect(0x9D, {Property.SERVER_REFERENCE: "s"}), b"\xe0\6\x9d\4\x1c\0\1s"),
    (True, 5, Auth(), b"\xf0\0"),
    (False, 5, Auth(0x18, {Property.AUTHENTICATION_METHOD: "m"}), b"\xf0\6\x18\4\x15\0\1m"),
]  # fmt: skip


def name_of(value: object) -> str | None:
    return type(value).__name__ if not isinstance(value, (bool, int, bytes)) else None


@pytest.mark.parametrize(("from_server", "level", "packet", "data"), BOTH_WAYS, ids=name_of)
def test_a_frame_is_read_as_its_packet(from_server: bool, level: int, packet: Packet, data: bytes) -> None:
    assert decode_frame(data, level, from_server=from_server) == packet


@pytest.mark.parametrize(("from_server", "level", "packet", "data"), BOTH_WAYS, ids=name_of)
def test_a_packet_is_written_as_its_canonical_frame(
    from_server: bool, level: int, packet: Packet, data: bytes
) -> None:
    assert packet.encode(level) == data


@pytest.mark.parametrize(
    ("level", "data", "canonical"),
    [
        pytest.param(5, b"\x40\3\0\7\0", b"\x40\2\0\7", id="PUBACK reason 0"),
        pytest.param(5, b"\x40\4\0\7\0\0", b"\x40\2\0\7", id="PUBACK reason 0 and no properties"),
        pytest.param(5, b"\x62\4\0\7\x92\0", b"\x62\3\0\7\x92", id="PUBREL without properties"),
        pytest.param(5, b"\xe0\2\0\0", b"\xe0\0", id="DISCONNECT 0"),
        pytest.param(5, b"\xe0\2\4\0", b"\xe0\1\4", id="DISCONNECT without properties"),
        pytest.param(
            5,
            frame(0x30, text("a"), properties(USER, b"\1\0", USER)),
            frame(0x30, text("a"), properties(b"\1\0", USER, USER)),
            id="property order",
        ),
        pytest.param(3, b"\x8a\6\0\7\0\1a\0", b"\x82\6\0\7\0\1a\0", id="3.1 SUBSCRIBE sent again"),
        pytest.param(3, b"\xaa\5\0\7\0\1a", b"\xa2\5\0\7\0\1a", id="3.1 UNSUBSCRIBE sent again"),
        pytest.param(3, b"\x6a\2\0\7", b"\x62\2\0\7", id="3.1 PUBREL sent again"),
        pytest.param(3, connect(3, 0xC2, text("d")), CONNECT[3], id="3.1 user name flag without field"),
        pytest.param(
            3,
            connect(3, 0xC2, text("d"), text("u")),
            connect(3, 0x82, text("d"), text("u")),
            id="3.1 password flag without field",
        ),
    ],
)
def test_a_longer_form_is_written_back_as_the_canonical_one(level: int, data: bytes, canonical: bytes) -> None:
    assert decode_frame(data, level, from_server=False).encode(level) == canonical


def test_what_level_3_cannot_carry_is_left_out_when_a_packet_of_level_5_is_written_for_it() -> None:
    extra = {Property.USER_PROPERTY: [("k", "v")]}

    assert Publish("a", b"x", properties=extra).encode(4) == b"\x30\4\0\1ax"
    assert Puback(7, 0x10, extra).encode(4) == b"\x40\2\0\7"
    assert Subscribe(7, [("a", 0x2D)], extra).encode(4) == b"\x82\6\0\7\0\1a\1"
    assert Suback(7, [1], extra).encode(4) == b"\x90\3\0\7\1"
    assert Unsubscribe(7, ["a"], extra).encode(4) == b"\xa2\5\0\7\0\1a"
    assert Unsuback(7, [0], extra).encode(4) == b"\xb0\2\0\7"
    assert Disconnect(4, extra).encode(4) == b"\xe0\0"
    assert Connack(False, 5, extra).encode(4) == b"\x20\2\0\5"
    assert Connect(5, "d", True, 60, properties=extra).encode(4) == CONNECT[4]


@pytest.mark.parametrize(
    ("packet", "level"),
    [
        (Connect(5, "d", password=b"p"), 4),
        (Publish("a", b"", 1), 4),
        (Publish("a", b"", 1, packet_id=0), 4),
        (Publish("a", b"", 0, packet_id=7), 5),
        (Auth(0x18, {Property.AUTHENTICATION_METHOD: "m"}), 4),
        (Publish("a", b"", properties={Property.SUBSCRIPTION_IDENTIFIER: [268_435_456]}), 5),
    ],
)
def test_a_packet_that_has_no_form_at_the_level_is_not_written(packet: Packet, level: int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        packet.encode(level)


def test_lengths_at_the_borders_of_the_variable_byte_integer_are_written_and_read() -> None:
    for size, header in ((127, b"\x7f"), (128, b"\x80\1"), (16_383, b"\xff\x7f"), (16_384, b"\x80\x80\1")):
        packet = Publish("a", b"x" * (size - 3))

        data = packet.encode(4)

        assert data.startswith(b"\x30" + header + b"\0\1a")
        assert decode_frame(data, 4, from_server=False) == packet


# --- what is refused ----------------------------------------------------------------------------------


def bad_connects() -> Iterator[tuple[str, bytes, int]]:
    d = text("d")
    for level in LEVELS:
        yield "3.1.2-3 reserved flag", connect(level, 0x03, d), MALFORMED
        number = "3.1.2-14" if level == 4 else "3.1.2-12"
        yield f"{number} will QoS 3", connect(level, 0x1E, d, none(level), text("w"), text("")), MALFORMED
        number = "3.1.2-13" if level == 4 else "3.1.2-11"
        yield f"{number} will QoS without will", connect(level, 0x0A, d), MALFORMED
        number = "3.1.2-15" if level == 4 else "3.1.2-13"
        yield f"{number} will retain without will", connect(level, 0x22, d), MALFORMED
        fields = (d, none(level), text("w"), text("x"))
        yield "will QoS and fields without will", connect(level, 0x0A, *fields), MALFORMED
        yield "will retain and fields without will", connect(level, 0x22, *fields), MALFORMED
        yield "will fields without will", connect(level, 0x02, *fields), MALFORMED
        yield "3.1.2-9 will flag without will", connect(level, 0x06, d), MALFORMED
        yield "3.1.2-9 will without payload", connect(level, 0x06, d, none(level), text("w")), MALFORMED
        yield "4.7.3-1 empty will topic", connect(level, 0x06, d, none(level), text(""), text("")), 0x90
        yield "3.3.2-2 wildcard in will topic", connect(level, 0x06, d, none(level), text("a/+"), text("")), 0x90
        yield "3.1.3-3 no client id", connect(level, 0x02), MALFORMED
        yield "1.5.4-1 client id not UTF-8", connect(level, 0x02, text(b"\xc3")), MALFORMED
        yield "1.5.4-1 surrogate in client id", connect(level, 0x02, text(b"\xed\xa0\x80")), MALFORMED
        yield "1.5.4-1 overlong form in user name", connect(level, 0x82, d, text(b"\xc0\xaf")), MALFORMED
        yield "1.5.4-2 U+0000 in client id", connect(level, 0x02, text("a\0b")), MALFORMED
        yield "1.5.4-2 U+0000 in user name", connect(level, 0x82, d, text("\0")), MALFORMED
        yield "1.5.4-2 U+0000 in will topic", connect(level, 0x06, d, none(level), text("\0"), text("")), MALFORMED
        yield "3.1.2-16 user name without flag", connect(level, 0x02, d, text("u")), MALFORMED
        yield "3.1.2-18 password without flag", connect(level, 0x82, d, text("u"), text("p")), MALFORMED
        yield "bytes after the last field", connect(level, 0x02, d, b"\0"), MALFORMED
        yield "PUBLISH within the frame", connect(level, 0x02, d, frame(0x30, text("a"), b"x")), MALFORMED
        yield "client id too long", connect(level, 0x02, text("i" * 257)), 0x85
        yield "client id too long in UTF-8", connect(level, 0x02, text("é" * 129)), 0x85
        yield "user name too long", connect(level, 0x82, d, text("u" * 513)), 0x86
        yield "password too long", connect(level, 0xC2, d, text("u"), text("p" * 4097)), 0x86
        yield "will topic too long", connect(level, 0x06, d, none(level), text("w" * 513), text("")), 0x90
        yield "will topic too deep", connect(level, 0x06, d, none(level), text("/" * 16), text("")), 0x90
        yield "cut user name", connect(level, 0x82, d, b"\0\5u"), MALFORMED
        yield "cut password", connect(level, 0xC2, d, text("u"), b"\0\5p"), MALFORMED
        yield "cut will payload", connect(level, 0x06, d, none(level), text("w"), b"\0\5x"), MALFORMED
        yield "cut length of user name", connect(level, 0x82, d, b"\0"), MALFORMED
        yield "cut after protocol", frame(0x10, PROTOCOL[level]), MALFORMED
        yield "cut before level", frame(0x10, PROTOCOL[level][:-1]), MALFORMED
        yield "cut keep-alive", frame(0x10, PROTOCOL[level], b"\2\0"), MALFORMED
    for level in (4, 5):
        yield "3.1.2 user name flag without field", connect(level, 0x82, d), MALFORMED
        yield "3.1.2 password flag without field", connect(level, 0xC2, d, text("u")), MALFORMED
    for level in (3, 4):
        yield "3.1.2-22 password without user name", connect(level, 0x42, d, text("p")), MALFORMED
    yield "empty", b"\x10\0", MALFORMED
    for flags in range(1, 16):
        yield f"2.1.3-1 flags {flags}", bytes((0x10 | flags,)) + CONNECT[4][1:], MALFORMED
    for name, section, reason in bad_properties(b"\x17\0", forbidden=b"\x18\0\0\0\0"):
        yield f"properties: {name}", frame(0x10, PROTOCOL[5], b"\2\0\0", section, d), reason
        will = section.replace(b"\x17\0", b"\1\0").replace(b"\x18\0\0\0\0", b"\x11\0\0\0\0")
        yield f"will properties: {name}", connect(5, 0x06, d, will, text("w"), text("")), reason
    for name, item, reason in (
        ("3.1.2.11 receive maximum 0", b"\x21\0\0", PROTOCOL_ERROR),
        ("3.1.2.11 maximum packet size 0", b"\x27\0\0\0\0", PROTOCOL_ERROR),
        ("3.1.2.11 request problem information 2", b"\x17\2", PROTOCOL_ERROR),
        ("3.1.2.11 request response information 2", b"\x19\2", PROTOCOL_ERROR),
        ("3.1.2.11 authentication data without method", b"\x16" + text("x"), PROTOCOL_ERROR),
        ("1.5.4-2 U+0000 in user property", b"\x26" + text("k") + text("\0"), MALFORMED),
        ("1.5.7-1 bad UTF-8 in user property", b"\x26" + text(b"\xff") + text("v"), MALFORMED),
    ):
        yield name, frame(0x10, PROTOCOL[5], b"\2\0\0", properties(item), d), reason
    for name, item in (("response topic with wildcard", text("a/#")), ("empty response topic", text(""))):
        yield f"3.3.2-14 will {name}", connect(5, 6, d, properties(b"\x08" + item), text("w"), text("")), 0x90


def bad_properties(good: bytes, forbidden: bytes) -> Iterator[tuple[str, bytes, int]]:
    """Sections that are wrong in every packet. ``good`` must be allowed once, ``forbidden`` never."""
    yield "unknown", properties(b"\x04\0"), MALFORMED
    yield "unknown above 127", properties(b"\x80\1"), MALFORMED
    yield "not allowed here", properties(forbidden), MALFORMED
    yield "twice", properties(good, good), PROTOCOL_ERROR
    yield "cut in a property", properties(good[:-1]), MALFORMED
    yield "cut after an identifier", properties(good, b"\x26"), MALFORMED
    yield "1.5.5-1 length not minimal", b"\x80\0", MALFORMED
    yield "length of five bytes", b"\xff\xff\xff\xff\1", MALFORMED
    yield "longer than the packet", b"\xff\x7f", MALFORMED


@pytest.mark.parametrize(
    ("data", "reason"), [pytest.param(data, reason, id=name) for name, data, reason in bad_connects()]
)
def test_a_malformed_connect_is_refused(data: bytes, reason: int) -> None:
    reader = new_reader()

    refused = refusal_of(reader, data)

    assert refused.reason == reason
    assert not isinstance(refused, UnsupportedProtocol)


BAD_TOPICS = {
    "4.7.3-1 empty": "",
    "3.3.2-2 plus": "a/+",
    "3.3.2-2 plus within": "a+b",
    "3.3.2-2 hash": "a/#",
    "too long": "t" * 513,
    "too long in UTF-8": "é" * 257,
    "too deep": "/" * 16,
    **{f"1.5.4 control U+{code:04X}": f"a{chr(code)}" for code in (1, 9, 10, 13, 31, 127, 128, 159)},
}
BAD_FILTERS = {
    "4.7.3-1 empty": "",
    "4.7.1-2 hash after text": "a#",
    "4.7.1-2 hash before level": "#/b",
    "4.7.1-2 two hashes": "##",
    "4.7.1-3 plus after text": "a+",
    "4.7.1-3 plus before text": "+a/b",
    "4.7.1-3 two plus": "a/++",
    "too long": "t" * 513,
    "too deep": "/" * 16,
    **{f"1.5.4 control U+{code:04X}": f"a/{chr(code)}/#" for code in (1, 10, 127, 159)},
}
BAD_SHARES = {
    "4.8.2-1 no share name": "$share//a",
    "4.8.2-1 no filter": "$share/g",
    "4.8.2-2 empty filter": "$share/g/",
    "4.8.2-2 hash as share name": "$share/#",
    "4.8.2-2 plus as share name": "$share/+/a",
}
BAD_TEXTS = {"1.5.4-1 not UTF-8": b"\xff", "1.5.4-1 surrogate": b"\xed\xbf\xbf", "1.5.4-2 U+0000": b"a\0"}


def bad_packets() -> Iterator[tuple[str, int, bytes, int]]:
    for level in LEVELS:
        no = none(level)
        a = text("a")

        # Fixed header (MQTT 3.1 alone sets DUP on three of them).
        for first, rest, dup in (
            (0x40, ID, False), (0x50, ID, False), (0x62, ID, True), (0x70, ID, False),
            (0x82, ID + no + a + b"\0", True), (0xA2, ID + no + a, True), (0xC0, b"", False), (0xE0, b"", False),
        ):  # fmt: skip
            for flags in range(16):
                if flags != first & 15 and not (dup and level == 3 and flags == 0x0A):
                    yield (
                        f"2.1.3-1 flags {flags} on {first >> 4}",
                        level,
                        frame(first & 0xF0 | flags, rest),
                        MALFORMED,
                    )
        yield "packet type 0", level, b"\0\0", MALFORMED
        yield "3.1.0-2 second CONNECT", level, CONNECT[level], PROTOCOL_ERROR
        for name, first in (("CONNACK", 0x20), ("SUBACK", 0x90), ("UNSUBACK", 0xB0), ("PINGRESP", 0xD0)):
            yield f"{name} from a client", level, frame(first, ID), PROTOCOL_ERROR
        yield "length of five bytes", level, b"\xc0\x80\x80\x80\x80\1", MALFORMED
        yield "1.5.5-1 length not minimal", level, b"\xc0\x80\0", MALFORMED
        yield "1.5.5-1 length not minimal in four bytes", level, b"\xc0\x80\x80\x80\0", MALFORMED

        # PUBLISH
        yield "3.3.1-4 QoS 3", level, frame(0x36, a, ID, no), MALFORMED
        yield "3.3.1-2 DUP at QoS 0", level, frame(0x38, a, no), MALFORMED
        yield "2.2.1-3 packet id 0 at QoS 1", level, frame(0x32, a, b"\0\0", no), PROTOCOL_ERROR
        yield "2.2.1-3 packet id 0 at QoS 2", level, frame(0x34, a, b"\0\0", no), PROTOCOL_ERROR
        yield "2.2.1-3 no packet id at QoS 1", level, frame(0x32, a), MALFORMED
        yield "PUBLISH empty body", level, b"\x30\0", MALFORMED
        yield "PUBLISH topic longer than frame", level, frame(0x30, b"\0\x09a"), MALFORMED
        for name, topic in BAD_TOPICS.items():
            reason = PROTOCOL_ERROR if level == 5 and not topic else 0x90
            yield f"PUBLISH topic {name}", level, frame(0x30, text(topic), no), reason
        for name, raw in BAD_TEXTS.items():
            yield f"PUBLISH topic {name}", level, frame(0x30, text(raw), no), MALFORMED
            yield f"SUBSCRIBE {name}", level, frame(0x82, ID, no, text(raw), b"\0"), MALFORMED
            yield f"UNSUBSCRIBE {name}", level, frame(0xA2, ID, no, text(raw)), MALFORMED

        # SUBSCRIBE and UNSUBSCRIBE
        yield "2.2.1-3 SUBSCRIBE packet id 0", level, frame(0x82, b"\0\0", no, a, b"\0"), PROTOCOL_ERROR
        yield "2.2.1-3 UNSUBSCRIBE packet id 0", level, frame(0xA2, b"\0\0", no, a), PROTOCOL_ERROR
        yield "3.8.3-2 SUBSCRIBE no filter", level, frame(0x82, ID, no), PROTOCOL_ERROR
        yield "3.10.3-2 UNSUBSCRIBE no filter", level, frame(0xA2, ID, no), PROTOCOL_ERROR
        yield "SUBSCRIBE without options", level, frame(0x82, ID, no, a), MALFORMED
        yield "SUBSCRIBE second filter cut", level, frame(0x82, ID, no, a, b"\0", b"\0\2a"), MALFORMED
        yield "SUBSCRIBE empty body", level, b"\x82\0", MALFORMED
        yield "UNSUBSCRIBE empty body", level, b"\xa2\0", MALFORMED
        yield "3.8.3 QoS 3", level, frame(0x82, ID, no, a, b"\3"), PROTOCOL_ERROR
        for bit in (0x40, 0x80) if level == 5 else (0x04, 0x08, 0x10, 0x20, 0x40, 0x80):
            yield f"3.8.3-5 reserved bit {bit:#x}", level, frame(0x82, ID, no, a, bytes((bit,))), MALFORMED
        yield "33 filters", level, frame(0x82, ID, no, (a + b"\0") * 33), 0x97
        yield "65 filters", level, frame(0xA2, ID, no, a * 65), 0x97
        for name, topic_filter in (BAD_FILTERS | BAD_SHARES if level == 5 else BAD_FILTERS).items():
            yield f"SUBSCRIBE {name}", level, frame(0x82, ID, no, text(topic_filter), b"\0"), 0x8F
            yield f"UNSUBSCRIBE {name}", level, frame(0xA2, ID, no, text(topic_filter)), 0x8F

        # Acknowledgements, PINGREQ, DISCONNECT
        for first in (0x40, 0x50, 0x62, 0x70):
            yield f"cut {first:#x}", level, frame(first, b"\0"), MALFORMED
            yield f"packet id 0 in {first:#x}", level, frame(first, b"\0\0"), PROTOCOL_ERROR
        yield "PINGREQ with body", level, frame(0xC0, b"\x30\4\0\1ax"), MALFORMED

    for level in (3, 4):
        for first in (0x40, 0x50, 0x62, 0x70):
            yield f"bytes left over in {first:#x}", level, frame(first, ID, b"\0"), MALFORMED
        yield "3.14.1-1 DISCONNECT with body", level, b"\xe0\1\0", MALFORMED
        yield "AUTH", level, b"\xf0\0", PROTOCOL_ERROR

    yield from ((name, 5, data, reason) for name, data, reason in bad_packets_of_level_5())


def bad_packets_of_level_5() -> Iterator[tuple[str, bytes, int]]:
    a = text("a")
    for name, section, reason in bad_properties(b"\1\0", forbidden=b"\x11\0\0\0\0"):
        yield f"PUBLISH properties: {name}", frame(0x30, a, section), reason
    for name, section, reason in bad_properties(b"\x0b\1", forbidden=b"\x1f\0\0"):
        yield f"SUBSCRIBE properties: {name}", frame(0x82, ID, section, a, b"\0"), reason
    for name, section, reason in bad_properties(b"\x1f\0\0", forbidden=b"\x11\0\0\0\0"):
        for first in (0x40, 0x50, 0x62, 0x70):
            yield f"{first:#x} properties: {name}", frame(first, ID, b"\0", section), reason
    for name, section, reason in bad_properties(b"\x1f\0\0", forbidden=b"\x1c\0\0"):
        yield f"DISCONNECT properties: {name}", frame(0xE0, b"\0", section), reason
    for name, section, reason in bad_properties(b"\x15\0\0", forbidden=b"\x11\0\0\0\0"):
        yield f"AUTH properties: {name}", frame(0xF0, b"\x18", section), reason
    yield "UNSUBSCRIBE with subscription id", frame(0xA2, ID, properties(b"\x0b\1"), a), MALFORMED

    yield "3.3.4-6 subscription id from a client", frame(0x30, a, properties(b"\x0b\1")), MALFORMED
    yield "3.3.2-8 topic alias 0", frame(0x30, text(""), properties(b"\x23\0\0")), 0x94
    yield "3.3.2.3 payload format 2", frame(0x30, a, properties(b"\1\2")), PROTOCOL_ERROR
    yield "3.3.2-14 wildcard in response topic", frame(0x30, a, properties(b"\x08" + text("a/+"))), 0x90
    yield "cut correlation data", frame(0x30, a, properties(b"\x09\0\5x"), b"data"), MALFORMED
    yield "PUBLISH without property length", frame(0x30, a), MALFORMED
    yield "3.8.2.1 subscription id 0", frame(0x82, ID, properties(b"\x0b\0"), a, b"\0"), PROTOCOL_ERROR
    yield "3.8.3-4 no-local on a share", frame(0x82, ID, b"\0", text("$share/g/a"), b"\4"), PROTOCOL_ERROR
    yield "3.8.3.1 retain handling 3", frame(0x82, ID, b"\0", a, b"\x30"), PROTOCOL_ERROR

    yield "3.4.2-1 PUBACK reason", frame(0x40, ID, b"\x92"), PROTOCOL_ERROR
    yield "3.5.2-1 PUBREC reason", frame(0x50, ID, b"\1"), PROTOCOL_ERROR
    yield "3.6.2-1 PUBREL reason", frame(0x62, ID, b"\x80"), PROTOCOL_ERROR
    yield "3.7.2-1 PUBCOMP reason", frame(0x70, ID, b"\x80"), PROTOCOL_ERROR
    yield "3.14.2-1 DISCONNECT reason", frame(0xE0, b"\1"), PROTOCOL_ERROR
    yield "3.14.2-1 DISCONNECT reason of a server", frame(0xE0, b"\x8e"), PROTOCOL_ERROR
    yield "3.15.2-1 AUTH reason", frame(0xF0, b"\1\0"), PROTOCOL_ERROR
    yield "3.15.2-1 AUTH success from a client", b"\xf0\0", PROTOCOL_ERROR
    yield "3.15.2 AUTH without method", frame(0xF0, b"\x18\0"), PROTOCOL_ERROR
    yield "3.15.2 AUTH without property length", frame(0xF0, b"\x18"), MALFORMED
    for flags in range(1, 16):
        yield f"3.15.1-1 AUTH flags {flags}", frame(0xF0 | flags), MALFORMED
    for first in (0x40, 0x50, 0x62, 0x70):
        yield f"bytes left over in {first:#x}", frame(first, ID, b"\0\0\0"), MALFORMED
    yield "bytes left over in DISCONNECT", frame(0xE0, b"\0\0\0"), MALFORMED
    yield "bytes left over in AUTH", frame(0xF0, b"\x18", properties(b"\x15" + a), b"\0"), MALFORMED


@pytest.mark.parametrize(
    ("level", "data", "reason"),
    [pytest.param(level, data, reason, id=f"{name} [{level}]") for name, level, data, reason in bad_packets()],
)
def test_a_malformed_packet_is_refused(level: int, data: bytes, reason: int) -> None:
    assert refusal_of(connected(level), data).reason == reason


@pytest.mark.parametrize(
    ("level", "data"),
    [
        pytest.param(4, b"\x20\2\2\0", id="3.2.2.1 CONNACK reserved flags"),
        pytest.param(4, b"\x20\2\1\5", id="3.2.2-4 session present in a refusal"),
        pytest.param(5, b"\x20\3\1\x87\0", id="3.2.2-6 session present in a refusal"),
        pytest.param(4, b"\x20\2\0\6", id="CONNACK unknown return code"),
        pytest.param(5, b"\x20\3\0\1\0", id="3.2.2-7 CONNACK unknown reason"),
        pytest.param(4, b"\x20\3\0\0\0", id="CONNACK bytes left over"),
        pytest.param(4, b"\x90\2\0\7", id="SUBACK without code"),
        pytest.param(4, b"\x90\3\0\7\3", id="3.9.3-2 SUBACK reserved code"),
        pytest.param(5, b"\x90\4\0\7\0\3", id="SUBACK unknown reason"),
        pytest.param(4, b"\xb0\3\0\7\0", id="UNSUBACK bytes left over"),
        pytest.param(5, b"\xb0\3\0\7\0", id="UNSUBACK without code"),
        pytest.param(5, b"\xb0\4\0\7\0\1", id="UNSUBACK unknown reason"),
        pytest.param(4, b"\xd0\1\0", id="PINGRESP with body"),
        pytest.param(4, b"\xe0\0", id="3.1.1 DISCONNECT from a server"),
        pytest.param(5, b"\xe0\1\4", id="DISCONNECT with will from a server"),
        pytest.param(5, b"\xe0\7\0\5\x11\0\0\0\0", id="3.14.2-2 session expiry from a server"),
        pytest.param(4, b"\xc0\0", id="PINGREQ from a server"),
        pytest.param(4, b"\x82\6\0\7\0\1a\0", id="SUBSCRIBE from a server"),
        pytest.param(5, b"\xd0", id="frame without length"),
        pytest.param(5, b"\xd0\x80", id="frame with half a length"),
        pytest.param(5, b"\xd0\0\0", id="frame with a tail"),
        pytest.param(4, b"\x30\4\0\1axx", id="PUBLISH with a tail"),
        pytest.param(4, b"\x30\4\0\1a", id="PUBLISH with half its payload"),
        pytest.param(5, b"", id="nothing"),
    ],
)
def test_a_malformed_packet_of_a_server_is_refused(level: int, data: bytes) -> None:
    with pytest.raises(MalformedPacket):
        decode_frame(data, level, from_server=True)


@pytest.mark.parametrize("level", LEVELS)
def test_a_truncated_frame_is_refused_unless_it_ends_with_an_optional_field(level: int) -> None:
    may_be_shorter = (
        Publish,
        Puback,
        Pubrec,
        Pubrel,
        Pubcomp,
        Suback,
        Unsuback,
        Subscribe,
        Disconnect,
        Auth,
        Unsubscribe,
    )
    for from_server, at, _, data in BOTH_WAYS:
        if at != level or len(data) > 129:
            continue
        for size in range(len(data) - 2):
            cut = bytes((data[0], size)) + data[2 : 2 + size]
            try:
                packet = decode_frame(cut, level, from_server=from_server)
            except MalformedPacket:
                continue
            assert isinstance(packet, may_be_shorter)
            assert len(packet.encode(level)) <= len(cut)


# --- what is not the codec's to refuse ----------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "client_id",
    ["", "a" * 24, "a" * 256, "\r\n", "\ufeff\ufffe", "é" * 128],
    ids=["empty", "24", "256", "control", "bom", "256 in UTF-8"],
)
def test_a_client_id_is_left_to_the_door(level: int, client_id: str) -> None:
    (packet,) = new_reader().feed(connect(level, 0x00, text(client_id)))

    assert isinstance(packet, Connect)
    assert (packet.client_id, packet.clean_start) == (client_id, False)


def test_largest_credentials_and_topics_allowed_are_read() -> None:
    topic = "/" * 15 + "t" * 497
    user_name, password = "u" * 512, b"p" * 4096

    (packet,) = new_reader().feed(
        connect(4, 0xC6, text("d"), text(topic), text(""), text(user_name), text(password))
    )

    assert isinstance(packet, Connect)
    assert (packet.username, packet.password, packet.will) == (user_name, password, Will(topic, b""))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "topic_filter",
    ["#", "+", "/", "+/+", "/#", "a//b", "$SYS/#", "$share", "+/a/#", " ", "\ufeff", "\xa0", "t" * 512, "/" * 15],
)
def test_a_valid_filter_is_read(level: int, topic_filter: str) -> None:
    packet = decode_frame(frame(0x82, ID, none(level), text(topic_filter), b"\0"), level, from_server=False)

    assert packet == Subscribe(7, [(topic_filter, 0)])


@pytest.mark.parametrize("topic_filter", BAD_SHARES.values())
def test_a_share_is_an_ordinary_word_below_level_5(topic_filter: str) -> None:
    data = frame(0x82, ID, text(topic_filter), b"\0")

    assert decode_frame(data, 4, from_server=False) == Subscribe(7, [(topic_filter, 0)])


def test_as_many_filters_as_allowed_are_read() -> None:
    subscribe = decode_frame(frame(0x82, ID, (text("a") + b"\0") * 32), 4, from_server=False)
    unsubscribe = decode_frame(frame(0xA2, ID, text("a") * 64), 4, from_server=False)

    assert subscribe == Subscribe(7, [("a", 0)] * 32)
    assert unsubscribe == Unsubscribe(7, ["a"] * 64)


def test_limits_can_be_set() -> None:
    limits = Limits(
        client_id_bytes=1,
        user_name_bytes=1,
        password_bytes=1,
        topic_bytes=1,
        topic_levels=1,
        subscribe_filters=1,
        unsubscribe_filters=1,
    )
    within = connect(4, 0xC6, text("d"), text("w"), text(""), text("u"), text("p"))
    beyond = [
        connect(4, 0x02, text("dd")),
        connect(4, 0x82, text("d"), text("uu")),
        connect(4, 0xC2, text("d"), text("u"), text("pp")),
        frame(0x30, text("aa")),
        frame(0x30, text("/")),
        frame(0x82, ID, text("a"), b"\0", text("a"), b"\0"),
        frame(0xA2, ID, text("a"), text("a")),
    ]

    assert len(list(new_reader(limits).feed(within))) == 1
    for data in beyond:
        with pytest.raises(MalformedPacket):
            decode_frame(data, 4, from_server=False, limits=limits)


# --- protocol name and level --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b"MQTT", b"MQIsdp", b"mqtt", b"", b"MQTTT"])
def test_every_other_name_and_level_is_an_unsupported_protocol(name: bytes) -> None:
    for level in range(256):
        if (name, level) in {(b"MQTT", 4), (b"MQTT", 5), (b"MQIsdp", 3)}:
            continue
        reader = new_reader()

        refused = refusal_of(reader, frame(0x10, text(name), bytes((level,)), b"\2\0\x3c", text("d")))

        assert isinstance(refused, UnsupportedProtocol)
        assert (refused.level, refused.reason, reader.level) == (level, 0x84, 0)


@pytest.mark.parametrize("level", LEVELS)
def test_the_reader_learns_the_level_from_connect(level: int) -> None:
    assert new_reader().level == 0
    assert connected(level).level == level


@pytest.mark.parametrize("level", LEVELS)
def test_the_level_of_a_refused_connect_is_known_for_the_answer(level: int) -> None:
    reader = new_reader()

    refusal_of(reader, connect(level, 0x03, text("d")))

    assert reader.level == level


# --- the reader ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [first for first in range(256) if first != 0x10])
def test_a_first_packet_other_than_connect_is_refused_at_its_first_byte(first: int) -> None:
    # MQTT-3.1.0-1
    refused = refusal_of(new_reader(), bytes((first,)))

    assert refused.reason == (PROTOCOL_ERROR if first >> 4 > 1 else MALFORMED)


def test_a_connect_above_its_limit_is_refused_before_its_body() -> None:
    fits = connect(4, 0x06, text("d"), text("w"), text("x" * (8_192 - 21)))
    assert len(fits) == 8_192

    assert len(list(new_reader().feed(fits))) == 1
    assert refusal_of(new_reader(), frame(0x10, b"x" * 8_190)[:3]).reason == 0x95


def test_a_packet_above_the_limit_is_refused_before_its_body() -> None:
    fits = Publish("a", b"x" * (65_536 - 7)).encode(4)
    assert len(fits) == 65_536

    assert len(list(connected(4).feed(fits))) == 1
    assert refusal_of(connected(4), b"\x30\xfd\xff\3").reason == 0x95
    assert refusal_of(connected(4), b"\x30\xff\xff\xff\x7f").reason == 0x95


def test_a_packet_within_the_limit_is_waited_for() -> None:
    assert list(connected(4).feed(b"\x30\xfc\xff\3")) == []


def test_good_packets_before_a_bad_one_are_delivered_first() -> None:
    reader = new_reader()

    packets = reader.feed(CONNECT[4] + b"\xc0\0" + b"\x30\4\0\1ax" + b"\xc0\1\0" + b"\xc0\0")

    assert [next(packets) for _ in range(3)] == [Connect(4, "d", True, 60), Pingreq(), Publish("a", b"x")]
    with pytest.raises(MalformedPacket):
        next(packets)


def test_a_refusal_is_raised_once_and_everything_after_it_is_dropped() -> None:
    reader = connected(4)
    refusal_of(reader, b"\xc0\1\0\xc0\0")

    assert list(reader) == []
    assert list(reader.feed(b"\xc0\0\x36")) == []


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_is_read_after_disconnect(level: int) -> None:
    # MQTT-3.14.4-1
    reader = connected(level)

    assert list(reader.feed(b"\xe0\0\xc0\0\xff")) == [Disconnect()]
    assert list(reader.feed(b"\xc0\0")) == []


def test_packets_that_were_not_taken_wait_while_more_is_fed() -> None:
    reader = connected(4)
    packets = reader.feed(b"\xc0\0\x40\2\0\1\x40\2")
    assert next(packets) == Pingreq()

    more = reader.feed(b"\0\2\x40\2\0\3")

    assert list(more) == [Puback(1), Puback(2), Puback(3)]


@pytest.mark.parametrize("level", LEVELS)
def test_a_stream_cut_anywhere_gives_the_same_packets(level: int) -> None:
    stream = CONNECT[level] + b"".join(
        packet.encode(level)
        for packet in (Subscribe(1, [("a/+", 1)]), Publish("a", b"x" * 200, 1, packet_id=2), Pingreq())
    )
    whole = list(new_reader().feed(stream))
    assert len(whole) == 4

    for cut in range(len(stream)):
        reader = new_reader()
        assert [*reader.feed(stream[:cut]), *reader.feed(stream[cut:])] == whole
    reader = new_reader()
    assert [packet for byte in stream for packet in reader.feed(bytes((byte,)))] == whole


def test_a_buffer_that_the_caller_reuses_does_not_change_what_was_fed() -> None:
    reader = connected(4)
    chunk = bytearray(b"\x30\4\0\1ax")

    packets = reader.feed(chunk)  # type: ignore[arg-type]
    chunk[:] = b"\x36" * 6

    assert list(packets) == [Publish("a", b"x")]


def test_memory_is_bounded_by_the_packet_and_returns_when_it_is_read() -> None:
    reader = connected(4)
    data = Publish("a", b"x" * 60_000).encode(4)
    tracemalloc.start()
    try:
        for start in range(0, 59_000, 1_000):
            assert list(reader.feed(data[start : start + 1_000])) == []
        waiting, _ = tracemalloc.get_traced_memory()
        assert len(list(reader.feed(data[59_000:]))) == 1
        idle, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert waiting < 2 * 65_536
    assert idle < 4_096


# --- two parsers must not disagree (MQ-6) -------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_a_publish_inside_a_refused_publish_is_not_run(level: int) -> None:
    inner = frame(0x30, text("/provision/request"), none(level), b"{}")
    reader = connected(level)

    refusal_of(reader, frame(0x30, text("x/#"), none(level), inner))

    assert list(reader.feed(inner)) == []


@pytest.mark.parametrize("level", LEVELS)
def test_a_payload_that_looks_like_packets_stays_a_payload(level: int) -> None:
    inner = frame(0x30, text("/provision/request"), none(level), b"{}") + b"\xe0\0"

    packets = list(connected(level).feed(frame(0x30, text("a"), none(level), inner) + b"\xc0\0"))

    assert packets == [Publish("a", inner), Pingreq()]


@pytest.mark.parametrize("level", LEVELS)
def test_a_length_shorter_than_the_fields_refuses_the_packet_and_its_rest(level: int) -> None:
    # Read leniently, the topic would reach beyond the frame and the rest would run as a packet.
    lie = b"\x30\3" + text("a" * 20)

    assert refusal_of(connected(level), lie + b"\xc0\0").reason == MALFORMED


def test_a_property_cannot_reach_into_the_payload() -> None:
    # Three bytes of properties hold only the length of a text whose bytes are the payload.
    data = frame(0x30, text("a"), b"\3\3\0\4", b"evil")

    assert refusal_of(connected(5), data).reason == MALFORMED


# --- secrets ------------------------------------------------------------------------------------------


def test_secrets_and_payloads_stay_out_of_the_representation() -> None:
    hidden = {Property.AUTHENTICATION_DATA: b"s3cret"}
    will = Will("w", b"s3cret", properties=hidden)

    shown = repr(Connect(5, "d", True, 0, "s3cret", b"s3cret", will, hidden)) + repr(
        Publish("a", b"s3cret", properties=hidden)
    )

    assert "s3cret" not in shown
    assert "'d'" in shown


@pytest.mark.parametrize(
    "data",
    [
        connect(4, 0xC2, text("s3cret"), text("s3cret"), text("s3cret"), b"s3cret"),
        connect(4, 0x02, text(b"s3cret\xff")),
        connect(4, 0x82, text("d"), b"\0\x99s3cret"),
        frame(0x10, text("s3cret"), b"\4"),
        connect(4, 0x06, text("d"), text("s3cret/#"), text("s3cret")),
        frame(0x10, PROTOCOL[5], b"\2\0\0", properties(b"\x26" + text("s3cret") + b"\0\xffs3cret"), text("d")),
    ],
)
def test_a_refusal_holds_nothing_of_the_packet(data: bytes) -> None:
    refused: BaseException | None = refusal_of(new_reader(), data)

    while refused is not None:
        assert "s3cret" not in repr(refused) + str(vars(refused))
        assert not isinstance(refused, UnicodeDecodeError)
        refused = refused.__context__
