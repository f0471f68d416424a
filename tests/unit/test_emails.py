"""E-mail addresses: one form for each account."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.emails import clean_email
from firstboot.errors import InvalidValue


@pytest.mark.parametrize("text", ["Ann@Example.COM", "  ann@example.com\n", "ann@example.com"])
def test_an_address_has_one_form(text: str) -> None:
    assert clean_email(text) == "ann@example.com"


def test_ht_7_an_address_that_is_composed_in_another_way_is_the_same() -> None:
    assert clean_email("jo\u0308rg@example.com") == clean_email("j\u00f6rg@example.com")


def test_no_address_is_refused_with_the_contracts_text() -> None:
    with pytest.raises(InvalidValue, match=r"^User email should be specified!$"):
        clean_email("  ")


@pytest.mark.parametrize(
    "text", ["ann", "ann@", "@example.com", "a@b@c", "ann @example.com", "x@\u200bexample.com"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        clean_email(text)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_and_what_is_read_stays_as_it_is(text: str) -> None:
    try:
        email = clean_email(text)
    except InvalidValue:
        return

    assert email.isprintable()
    assert clean_email(email) == email
