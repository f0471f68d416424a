"""Keys and values that would harm are refused before they are stored (HT-2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.attribute_values import MAX_VALUE_BYTES, check_key, check_value, check_values
from firstboot.errors import InvalidValue


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("key", ["a", "k" * 255, "päivä", "with space", "a/b#+$", "<b>"])
def test_a_key_may_be_any_text_in_sight(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize("key", ["", " ", "\t", "k" * 256, "a\0", "a\nb", "a\x9f", "\ud800"])
def test_ht_2_a_key_that_is_blank_long_or_has_controls_is_refused(key: str) -> None:
    with pytest.raises(InvalidValue):
        check_key(key)


@pytest.mark.parametrize(
    "value",
    [True, 0, -(2**53), 1.5, "", "text", "two\nlines", "x" * (MAX_VALUE_BYTES - 2),
     [], {}, {"a": [1, None, {"b": "c"}]}, nested(32)],
)  # fmt: skip
def test_a_value_may_be_what_json_can_say(value: Any) -> None:
    check_value(value)


@pytest.mark.parametrize(
    "value",
    [None, 2**53 + 1, float("nan"), float("inf"), "a\0", "\ud800", "x" * (MAX_VALUE_BYTES + 1),
     ["x" * 30_000] * 3, nested(33), {"a": float("nan")}, {1, 2}, b"bytes", {"k" * 65: 1}, [2**60]],
)  # fmt: skip
def test_ht_2_a_value_beyond_the_bounds_is_refused(value: Any) -> None:
    with pytest.raises(InvalidValue):
        check_value(value)


def test_a_list_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)

    with pytest.raises(InvalidValue):
        check_value(value)


def test_a_refusal_quotes_no_value() -> None:
    with pytest.raises(InvalidValue) as refused:
        check_values({"password": "hunter2\0"})

    assert "hunter2" not in str(refused.value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_whatever_the_value_there_is_no_other_error(value: Any) -> None:
    try:
        check_value(value)
    except InvalidValue:
        pass
