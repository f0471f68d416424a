"""Frames of receivers: whole ones are read, all others are refused."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot_plugins.dialects.thingstream.errors import ZtpError
from firstboot_plugins.dialects.thingstream.ubx import (
    MAX_FRAME_LENGTH,
    UNIQUE_ID,
    VERSION,
    checksum,
    chip_id,
    read_frame,
)

# The two frames that contract section 7 has.
SEC_UNIQID = "B56227030A00020000000102030405064B0D"
MON_VER = (
    "B5620A04280045585420434F524520312E30302028746573742900000000000000000000303031393030303000000A2E"
)  # fmt: skip


def frame(payload: bytes, kind: tuple[int, int] = UNIQUE_ID) -> str:
    inner = bytes(kind) + len(payload).to_bytes(2, "little") + payload
    return (b"\xb5\x62" + inner + checksum(inner)).hex()


def test_the_frames_of_the_contract_are_read_in_capitals_and_small_letters() -> None:
    for text in (SEC_UNIQID, SEC_UNIQID.lower()):
        assert chip_id(read_frame(text, UNIQUE_ID)) == "010203040506"
    assert read_frame(MON_VER, VERSION).startswith(b"EXT CORE 1.00 (test)\0")


@pytest.mark.parametrize(
    "text",
    [
        None, 5, "", "B5", SEC_UNIQID[:-1], SEC_UNIQID[:-2], f"{SEC_UNIQID}00", f" {SEC_UNIQID}",
        f"{SEC_UNIQID}\n",
        SEC_UNIQID.replace("B562", "B563"), SEC_UNIQID.replace("0A00", "0900"), SEC_UNIQID.replace("4B0D", "4B0E"),
        SEC_UNIQID.replace("4B0D", "4C0D"), SEC_UNIQID.replace("0506", "0605"), MON_VER, "zz" * 18, "B5622703",
        "00" * (MAX_FRAME_LENGTH + 1),
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: Any) -> None:
    with pytest.raises(ZtpError, match="Invalid request") as refusal:
        read_frame(text, UNIQUE_ID)

    assert refusal.value.status == 400


@pytest.mark.parametrize("length", [0, 3, 4, 37])
def test_a_frame_without_an_id_or_with_too_long_a_one_is_refused(length: int) -> None:
    with pytest.raises(ZtpError):
        chip_id(read_frame(frame(bytes(length)), UNIQUE_ID))


@given(st.binary(max_size=64))
def test_what_is_framed_is_read_back(payload: bytes) -> None:
    assert read_frame(frame(payload), UNIQUE_ID) == payload


@given(st.text(max_size=64) | st.binary(max_size=64).map(bytes.hex))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ZtpError):
        read_frame(text, UNIQUE_ID)
