"""Cursors say nothing, and are good for the list that gave them out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.errors import InvalidValue
from firstboot.keyring import Keyring
from firstboot_plugins.admin.own.cursors import MAX_CURSOR_LENGTH, make_cursor, read_cursor

KEYRING = Keyring.generate()


@given(st.integers(min_value=0, max_value=2**63))
def test_a_cursor_leads_back_to_its_row(row_id: int) -> None:
    cursor = make_cursor(KEYRING, "devices", row_id)

    assert read_cursor(KEYRING, "devices", cursor) == row_id
    assert len(cursor) <= MAX_CURSOR_LENGTH


def test_tn_3_a_cursor_does_not_tell_its_row_or_repeat_itself() -> None:
    cursors = {make_cursor(KEYRING, "devices", 7) for _ in range(10)}

    assert len(cursors) == 10


@pytest.mark.parametrize("keyring", [KEYRING, Keyring.generate()])
def test_a_cursor_of_another_list_or_installation_is_refused(keyring: Keyring) -> None:
    with pytest.raises(InvalidValue):
        read_cursor(keyring, "audit", make_cursor(KEYRING, "devices", 7))


@given(st.text(max_size=MAX_CURSOR_LENGTH))
def test_any_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        read_cursor(KEYRING, "devices", text)
