"""CoAP messages as bytes, compared with what aiocoap makes of them."""

from __future__ import annotations

import aiocoap
import pytest
from aiocoap.numbers.optionnumbers import OptionNumber
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot_plugins.transports.coap.messages import (
    Code,
    MalformedMessage,
    Message,
    NotCoap,
    Option,
    Type,
    decode,
    empty,
)
from firstboot_plugins.transports.coap.options import Block, uint

# Those that aiocoap does not interpret: of those it makes a value, and not always the same bytes again.
OPAQUE = [
    OptionNumber.ETAG, OptionNumber.ECHO, OptionNumber.REQUEST_TAG, OptionNumber.IF_MATCH,
    OptionNumber(2049), OptionNumber(65001),
]  # fmt: skip
OPTIONS = st.lists(st.tuples(st.sampled_from([int(each) for each in OPAQUE]), st.binary(max_size=300)), max_size=8)
MESSAGES = st.builds(
    Message,
    type=st.sampled_from(Type),
    code=st.integers(1, 255),
    id=st.integers(0, 65535),
    token=st.binary(max_size=8),
    options=OPTIONS.map(lambda options: tuple(sorted(options, key=lambda each: each[0]))),
    payload=st.binary(max_size=300),
)


@given(MESSAGES)
def test_a_message_is_the_same_after_encoding_and_decoding(message: Message) -> None:
    assert decode(message.encode()) == message


@given(MESSAGES)
def test_another_implementation_reads_the_same(message: Message) -> None:
    read = aiocoap.Message.decode(message.encode())

    assert (read.mtype, read.code, read.mid, read.token, read.payload) == (
        message.type, message.code, message.id, message.token, message.payload,
    )  # fmt: skip
    assert [(option.number, option.encode()) for option in read.opt.option_list()] == list(message.options)


@given(MESSAGES)
def test_another_implementation_writes_the_same(message: Message) -> None:
    written = aiocoap.Message(code=aiocoap.Code(message.code), payload=message.payload)
    written.mtype, written.mid, written.token = aiocoap.Type(message.type), message.id, message.token
    for number, value in message.options:
        written.opt.add_option(OptionNumber(number).create_option(decode=value))

    assert message.encode() == written.encode()


@given(st.binary(max_size=200))
@example(b"\x40\x01\x00\x00" + b"\xe0\xff\xff" * 60)
@example(b"\x49\x01\x00\x00123456789")
@example(b"\x40\x01\x00\x00\xff")
@example(b"\x40\x01\x00\x00\xf0")
@example(b"\x40\x01\x00\x00\x0f")
@example(b"\x40\x00\x00\x00x")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        message = decode(data)
    except (NotCoap, MalformedMessage):
        return

    assert decode(message.encode()) == message


@pytest.mark.parametrize("data", ["", "400100", "00010000", "80010000", "c0010000"])
def test_other_versions_and_shorter_bytes_are_no_messages(data: str) -> None:
    with pytest.raises(NotCoap):
        decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    "data",
    ["49011234" + "00" * 9, "4f011234" + "00" * 15, "4201123400", "40011234ff", "40011234d0", "4001123401",
     "40011234f0", "400112340f", "40001234ff", "4100123400", "40011234e0ffff"],
    ids=["token of 9", "token of 15", "token cut", "marker without payload", "delta cut", "value cut",
         "reserved delta", "reserved length", "empty with marker", "empty with token", "number above 65535"],
)  # fmt: skip
def test_a_broken_message_tells_which_one_to_reject(data: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        decode(bytes.fromhex(data))

    assert (caught.value.message_id, caught.value.type) == (0x1234, Type.CON)


def test_an_empty_message_has_four_bytes() -> None:
    assert empty(Type.RST, 0x1234) == b"\x70\x00\x12\x34"


def test_no_payload_is_in_the_repr_of_a_message() -> None:
    assert "secret" not in repr(Message(Type.CON, Code.POST, 1, payload=b"secret"))


def test_options_are_found_by_their_number() -> None:
    message = Message(Type.CON, Code.GET, 1, options=((11, b"a"), (11, b"b")))

    assert message.all(Option.URI_PATH) == [b"a", b"b"]
    assert message.first(Option.URI_PATH) == b"a"
    assert message.first(Option.ECHO) is None


@given(st.integers(0, 0xFFFFF), st.booleans(), st.integers(0, 6))
def test_a_block_is_the_same_after_encoding_and_decoding(number: int, more: bool, exponent: int) -> None:
    block = Block(number, more, exponent)

    assert Block.decode(block.encode()) == block
    assert (block.size, block.start) == (2 ** (exponent + 4), number * 2 ** (exponent + 4))


@pytest.mark.parametrize("value", [b"\x07", b"\x0f", bytes(4)])
def test_a_block_of_a_reserved_size_is_none(value: bytes) -> None:
    assert Block.decode(value) is None


def test_numbers_take_as_few_bytes_as_they_need() -> None:
    assert [uint(number) for number in (0, 1, 255, 256)] == [b"", b"\x01", b"\xff", b"\x01\x00"]
