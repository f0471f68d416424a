"""What holds for every packet, every frame and every sequence of bytes."""

import random
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot_plugins.transports.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
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
    Will,
    decode_frame,
)

LEVELS = (3, 4, 5)
P = Property

# --- a model of valid packets -------------------------------------------------------------------------

u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFF_FFFF)
flag = st.integers(0, 1)
packet_ids = st.integers(1, 0xFFFF)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
blobs = st.binary(max_size=40)
# Seven characters of four bytes, sixteen levels: within the 512 bytes of a topic.
topic_levels = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="+#/"), max_size=7)
topics = st.lists(topic_levels, min_size=1, max_size=16).map("/".join).filter(bool)
plain_filters = st.builds(
    lambda levels, tail: "/".join(levels + tail),
    st.lists(topic_levels | st.just("+"), min_size=1, max_size=13),
    st.sampled_from([[], ["#"]]),
).filter(lambda value: bool(value) and not value.startswith("$share/"))
shared_filters = st.builds(
    "$share/{}/{}".format,
    topic_levels.filter(bool),
    plain_filters.filter(lambda value: len(value.encode()) < 450),
)
message_properties: dict[Property, st.SearchStrategy[Any]] = {
    P.PAYLOAD_FORMAT_INDICATOR: flag,
    P.MESSAGE_EXPIRY_INTERVAL: u32,
    P.CONTENT_TYPE: texts,
    P.RESPONSE_TOPIC: topics,
    P.CORRELATION_DATA: blobs,
}
user_properties = {P.USER_PROPERTY: st.lists(st.tuples(texts, texts), min_size=1, max_size=4)}
method = {P.AUTHENTICATION_METHOD: texts}
subscription_id = st.integers(1, 268_435_455)
one_subscription_id = st.lists(subscription_id, min_size=1, max_size=1)


def section(level: int, required: Any = None, **optional: Any) -> st.SearchStrategy[dict[Property, Any]]:
    """Properties of one packet; none below level 5."""
    if level != 5:
        return st.just({})
    named = {Property[name]: values for name, values in optional.items()}
    return st.fixed_dictionaries(required or {}, optional={**named, **user_properties})


def message(level: int, **more: Any) -> st.SearchStrategy[dict[Property, Any]]:
    return section(level, **{key.name: values for key, values in message_properties.items()}, **more)


def publishes(level: int, **more: Any) -> st.SearchStrategy[Packet]:
    properties = message(level, TOPIC_ALIAS=st.integers(1, 0xFFFF), **more)
    with_id = st.builds(
        Publish, topics, blobs, st.integers(1, 2), st.booleans(), st.booleans(), packet_ids, properties
    )
    without = st.builds(Publish, topics, blobs, st.just(0), st.booleans(), st.just(False), st.none(), properties)
    alias_only = st.builds(
        Publish,
        st.just(""),
        blobs,
        properties=section(level, {P.TOPIC_ALIAS: st.integers(1, 0xFFFF)}),
    )
    return with_id | without | alias_only if level == 5 else with_id | without


def acknowledgements(level: int) -> st.SearchStrategy[Packet]:
    properties = section(level, REASON_STRING=texts)
    to_publish = st.sampled_from([0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] if level == 5 else [0])
    to_others = st.sampled_from([0, 0x92] if level == 5 else [0])
    return st.one_of(
        st.builds(Puback, packet_ids, to_publish, properties),
        st.builds(Pubrec, packet_ids, to_publish, properties),
        st.builds(Pubrel, packet_ids, to_others, properties),
        st.builds(Pubcomp, packet_ids, to_others, properties),
    )


def connects(level: int) -> st.SearchStrategy[Connect]:
    wills = st.builds(
        Will,
        topics,
        blobs,
        st.integers(0, 2),
        st.booleans(),
        message(level, WILL_DELAY_INTERVAL=u32),
    )
    more: dict[str, Any] = {
        "SESSION_EXPIRY_INTERVAL": u32,
        "REQUEST_PROBLEM_INFORMATION": flag,
        "REQUEST_RESPONSE_INFORMATION": flag,
        "RECEIVE_MAXIMUM": st.integers(1, 0xFFFF),
        "TOPIC_ALIAS_MAXIMUM": u16,
        "MAXIMUM_PACKET_SIZE": st.integers(1, 0xFFFF_FFFF),
    }
    plain = section(level, **more)
    enhanced = section(level, method, AUTHENTICATION_DATA=blobs, **more)
    return st.builds(
        Connect,
        st.just(level),
        texts,
        st.booleans(),
        u16,
        st.none() | texts,
        st.none() | blobs,
        st.none() | wills,
        plain | enhanced,
    ).filter(lambda packet: level == 5 or packet.username is not None or packet.password is None)


def from_client(level: int) -> st.SearchStrategy[Packet]:
    """Any packet that a client may send after CONNECT, but DISCONNECT."""
    options = st.integers(0, 2)
    filters = plain_filters
    pairs = st.tuples(plain_filters, options)
    if level == 5:
        options = st.builds(
            lambda qos, bits, handling: qos | bits | handling << 4,
            options,
            st.sampled_from([0, 4, 8, 12]),
            options,
        )
        filters = plain_filters | shared_filters
        without_no_local = options.map(lambda value: value & ~4)
        pairs = st.tuples(plain_filters, options) | st.tuples(shared_filters, without_no_local)
    packets = [
        publishes(level),
        acknowledgements(level),
        st.builds(
            Subscribe,
            packet_ids,
            st.lists(pairs, min_size=1, max_size=4),
            section(level, SUBSCRIPTION_IDENTIFIER=one_subscription_id),
        ),
        st.builds(Unsubscribe, packet_ids, st.lists(filters, min_size=1, max_size=4), section(level)),
        st.builds(Pingreq),
    ]
    if level == 5:
        packets.append(
            st.builds(
                Auth,
                st.sampled_from([0x18, 0x19]),
                section(5, method, AUTHENTICATION_DATA=blobs, REASON_STRING=texts),
            )
        )
    return st.one_of(packets)


def disconnects(level: int) -> st.SearchStrategy[Packet]:
    if level != 5:
        return st.just(Disconnect())
    codes = st.sampled_from([0, 4, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99])
    return st.builds(Disconnect, codes, section(5, SESSION_EXPIRY_INTERVAL=u32, REASON_STRING=texts))


def from_server(level: int) -> st.SearchStrategy[Packet]:
    granted = [0, 1, 2, 0x80]
    removed: list[int] = []
    connacks = st.builds(Connack, st.just(False), st.integers(0, 5)) | st.builds(Connack, st.booleans())
    more: list[st.SearchStrategy[Packet]] = []
    if level == 5:
        granted += [0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2]
        removed = [0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]
        about = section(
            5,
            SESSION_EXPIRY_INTERVAL=u32,
            ASSIGNED_CLIENT_IDENTIFIER=texts,
            SERVER_KEEP_ALIVE=u16,
            AUTHENTICATION_METHOD=texts,
            RESPONSE_INFORMATION=texts,
            SERVER_REFERENCE=texts,
            REASON_STRING=texts,
            MAXIMUM_QOS=flag,
            RETAIN_AVAILABLE=flag,
            WILDCARD_SUBSCRIPTION_AVAILABLE=flag,
            SUBSCRIPTION_IDENTIFIER_AVAILABLE=flag,
            SHARED_SUBSCRIPTION_AVAILABLE=flag,
        )
        connacks = st.builds(Connack, st.booleans(), st.just(0), about) | st.builds(
            Connack, st.just(False), st.sampled_from([0x80, 0x84, 0x87, 0x8C, 0x95, 0x9F]), about
        )
        codes = st.sampled_from([0, 0x81, 0x87, 0x8D, 0x8E, 0x98, 0x9D, 0xA2])
        more = [
            st.builds(Disconnect, codes, section(5, SERVER_REFERENCE=texts, REASON_STRING=texts)),
            st.builds(Auth, st.sampled_from([0, 0x18]), section(5, method, AUTHENTICATION_DATA=blobs)),
            st.builds(Auth),
        ]
    answer = section(level, REASON_STRING=texts)
    codes_of_unsuback = st.lists(st.sampled_from(removed), min_size=1, max_size=5) if removed else st.just([])
    return st.one_of(
        connacks,
        publishes(level, SUBSCRIPTION_IDENTIFIER=st.lists(subscription_id, min_size=1, max_size=3)),
        acknowledgements(level),
        st.builds(Suback, packet_ids, st.lists(st.sampled_from(granted), min_size=1, max_size=5), answer),
        st.builds(Unsuback, packet_ids, codes_of_unsuback, answer),
        st.builds(Pingresp),
        *more,
    )


@st.composite
def streams(draw: st.DrawFn) -> tuple[int, list[Packet]]:
    """A whole connection of a client: the level and its packets."""
    level = draw(st.sampled_from(LEVELS))
    packets = [draw(connects(level)), *draw(st.lists(from_client(level), max_size=5))]
    return level, packets + draw(st.lists(disconnects(level), max_size=1))


def new_reader() -> PacketReader:
    return PacketReader(65_536, 8_192)


def read(reader: PacketReader, data: bytes) -> tuple[list[Packet], MalformedPacket | None]:
    packets = []
    try:
        for packet in reader.feed(data):
            packets.append(packet)
    except MalformedPacket as error:
        return packets, error
    return packets, None


# --- packets and their frames -------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@given(data=st.data())
def test_every_packet_of_a_client_is_read_as_it_was_written(level: int, data: st.DataObject) -> None:
    packet = data.draw(st.one_of(connects(level), from_client(level), disconnects(level)))

    assert decode_frame(packet.encode(level), level, from_server=False) == packet


@pytest.mark.parametrize("level", LEVELS)
@given(data=st.data())
def test_every_packet_of_a_server_is_read_as_it_was_written(level: int, data: st.DataObject) -> None:
    packet = data.draw(from_server(level))

    assert decode_frame(packet.encode(level), level, from_server=True) == packet


@given(stream=streams(), cuts=st.lists(st.integers(0, 2_000), max_size=8))
def test_any_fragmentation_gives_the_same_packets(stream: tuple[int, list[Packet]], cuts: list[int]) -> None:
    level, packets = stream
    data = b"".join(packet.encode(level) for packet in packets)
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reader = new_reader()

    pieces = [data[start:end] for start, end in pairwise(borders)]

    assert [packet for piece in pieces for packet in reader.feed(piece)] == packets
    assert reader.level == level


@given(connect=connects(5))
def test_a_connect_of_level_5_can_be_written_for_the_broker_at_level_4(connect: Connect) -> None:
    if connect.username is None:
        connect.password = None

    translated = decode_frame(connect.encode(4), 4, from_server=False)

    assert isinstance(translated, Connect)
    assert (translated.level, translated.properties) == (4, {})
    assert (translated.client_id, translated.username) == (connect.client_id, connect.username)


# --- bytes of any kind --------------------------------------------------------------------------------

CONNECTS = [
    b"",
    b"\x10\x0f\0\6MQIsdp\3\x02\0\x3c\0\1d",
    b"\x10\x0d\0\4MQTT\4\x02\0\x3c\0\1d",
    b"\x10\x0e\0\4MQTT\5\x02\0\x3c\0\0\1d",
]
FIRST_BYTES = [*range(0x30, 0x40), 0x40, 0x50, 0x62, 0x6A, 0x70, 0x82, 0x8A, 0xA2, 0xAA, 0xC0, 0xE0, 0xF0]


def check_canonical(packets: list[Packet], level: int) -> None:
    for packet in packets:
        written = packet.encode(level)
        again = decode_frame(written, level, from_server=False)
        assert again == packet
        assert again.encode(level) == written


@given(prefix=st.sampled_from(CONNECTS), data=st.binary(max_size=200), size=st.integers(1, 40))
@example(prefix=CONNECTS[1], data=b"\x8a\xff\xff\xff\x7f", size=1)
@example(prefix=CONNECTS[3], data=b"\x30\x08\0\0\x05\x26\0\0\0\0", size=3)
def test_any_bytes_are_read_or_refused_alike_in_one_piece_and_in_many(
    prefix: bytes, data: bytes, size: int
) -> None:
    stream = prefix + data
    reader = new_reader()

    packets, refused = read(reader, stream)

    check_canonical(packets, reader.level)
    pieces, taken, reason = new_reader(), [], None
    for start in range(0, len(stream), size):
        some, error = read(pieces, stream[start : start + size])
        taken += some
        if error is not None:
            assert reason is None
            reason = error.reason
    # One refusal may come earlier in pieces (a first byte says enough), but never another packet.
    assert taken == packets
    assert reason == (refused.reason if refused else None)


@given(
    level=st.sampled_from(LEVELS),
    first=st.sampled_from(FIRST_BYTES),
    body=st.binary(max_size=120)
    | st.builds(bytes.__add__, st.sampled_from([b"\0\1a", b"\0\7", b"\0\7\0"]), blobs),
)
def test_a_frame_is_never_read_beyond_its_end(level: int, first: int, body: bytes) -> None:
    reader = new_reader()
    assert len(list(reader.feed(CONNECTS[level - 2]))) == 1

    packets, refused = read(reader, bytes((first, len(body))) + body + b"\xc0\0")

    if refused:
        assert packets == []
    elif isinstance(packets[0], Disconnect):
        assert len(packets) == 1
    else:
        assert packets[1:] == [Pingreq()]
        check_canonical(packets, level)


@given(body=st.binary(max_size=100), level=st.sampled_from(LEVELS))
def test_any_connect_is_read_or_refused(body: bytes, level: int) -> None:
    named = CONNECTS[level - 2][2:-7] if level == 5 else CONNECTS[level - 2][2:-6]
    for candidate in (body, named + body):
        reader = new_reader()

        packets, refused = read(reader, bytes((0x10, len(candidate))) + candidate + b"\xc0\0")

        assert (packets == []) is (refused is not None)
        if not refused:
            assert packets[1:] == [Pingreq()]
            check_canonical(packets, reader.level)


@given(level=st.sampled_from(LEVELS), first=st.integers(0, 255), body=st.binary(max_size=80))
def test_any_frame_of_a_server_is_read_or_refused(level: int, first: int, body: bytes) -> None:
    with suppress(MalformedPacket):
        packet = decode_frame(bytes((first, len(body))) + body, level, from_server=True)

        assert decode_frame(packet.encode(level), level, from_server=True) == packet


def valid_frames(level: int) -> list[bytes]:
    extra: dict[Property, Any] = {P.USER_PROPERTY: [("k", "v")]} if level == 5 else {}
    packets: list[Packet] = [
        Connect(level, "d", True, 60, "user", b"password", Will("w", b"bye", 1, properties=extra), extra),
        Publish("v1/devices/me/telemetry", b"{}", 1, False, True, 7, extra),
        Publish("a", b"\x30\4\0\1ax", 0, True),
        Puback(1, properties=extra),
        Pubrel(2),
        Subscribe(3, [("a/+", 1), ("b/#", 0)], extra),
        Unsubscribe(4, ["a/+", "b"], extra),
        Pingreq(),
        Disconnect(),
    ]
    return [packet.encode(level) for packet in packets]


def mutant(data: bytearray, source: random.Random) -> None:
    """Change one thing in a body or a whole frame."""
    where = source.randrange(len(data) + 1)
    match source.randrange(5):
        case 0 if where < len(data):
            data[where] ^= 1 << source.randrange(8)
        case 1 if where < len(data):
            data[where] = source.choice(b"\0\1\x7f\x80\xff#+/")
        case 2:
            del data[where : where + source.randrange(1, 5)]
        case 3:
            data.insert(where, source.randrange(256))
        case _:
            data[where:where] = data[where // 2 :][:6]


@pytest.mark.parametrize("level", LEVELS)
def test_mutants_of_valid_frames_are_read_or_refused(level: int) -> None:
    source = random.Random(level)
    frames = valid_frames(level)
    outcomes = {"read": 0, "refused": 0}
    for number in range(33_400):
        original = frames[number % len(frames)]
        if number % 4:
            # The frame stays whole, so that the mutation is met by the decoder of the body.
            body = bytearray(original[2:])
            mutant(body, source)
            data = original[:1] + bytes((len(body),)) + body
        else:
            whole = bytearray(original)
            mutant(whole, source)
            data = bytes(whole)
        reader = new_reader()
        prefix = b"" if original[0] == 0x10 else CONNECTS[level - 2]

        packets, refused = read(reader, prefix + data)

        outcomes["refused" if refused else "read"] += 1
        check_canonical(packets[1:] if prefix else packets, reader.level)
    assert min(outcomes.values()) > 3_000
