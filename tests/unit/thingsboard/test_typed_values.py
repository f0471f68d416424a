"""Contract 5.6: strings that look like numbers are stored as numbers."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot.attribute_values import check_value
from firstboot_plugins.dialects.thingsboard.typed_values import typed, typed_values

MOST = 2**53


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("007", 7),
        ("1.50", 1.5),
        ("5.0", 5.0),
        (".5", 0.5),
        ("-0.25", -0.25),
        (str(MOST), MOST),
        (str(-MOST), -MOST),
    ],
)
def test_5_6_a_text_that_looks_like_a_number_becomes_it(text: str, number: float) -> None:
    value = typed(text)

    assert value == number
    assert type(value) is type(number)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "5 ", " 5", "+5", "5.", "-", ".", "1e5", "1E5", "0x10", "1_000", "1,5", "NaN", "Infinity", "5a",
        "--5", "1.2.3", "\N{ARABIC-INDIC DIGIT FIVE}", "5\n", "true", "null",
        str(MOST + 1), "9" * 30, "9" * 6000, "0." + "1" * 17,
    ],
)  # fmt: skip
def test_5_6_any_other_text_stays_as_it_is(text: str) -> None:
    assert typed(text) is text


@pytest.mark.parametrize("value", [True, False, 5, 1.5, ["5"], {"a": "5"}, []])
def test_5_6_what_is_no_text_stays_as_it_is(value: Any) -> None:
    assert typed(value) is value


def test_5_6_a_null_is_no_value() -> None:
    assert typed_values({"a": None, "b": "5", "c": "x", "d": 0, "e": False}) == {
        "b": 5,
        "c": "x",
        "d": 0,
        "e": False,
    }


@given(st.one_of(st.text(), st.from_regex(r"-?[0-9]*\.?[0-9]*", fullmatch=True)))
@example("9" * 400 + ".5")
@example("-0")
def test_5_6_whatever_the_text_the_value_can_be_stored_and_says_the_same(text: str) -> None:
    value = typed(text)

    if isinstance(value, str):
        assert value is text
        return
    assert math.isfinite(value)
    check_value(value)
    assert json.loads(json.dumps(value)) == value
    assert value == pytest.approx(float(text), abs=1e-15)
