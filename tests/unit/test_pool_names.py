"""Names of members of pools, made from patterns."""

import pytest

from firstboot.errors import InvalidValue
from firstboot.pool_names import read_pattern


@pytest.mark.parametrize(
    ("pattern", "number", "name"),
    [
        ("meter-{seq:05d}", 7, "meter-00007"),
        ("meter-{seq:5d}", 7, "meter-00007"),
        ("meter-{seq}", 7, "meter-7"),
        ("meter-{seq:03d}", 12345, "meter-12345"),
        ("{hw}", 7, "AABBCC"),
        ("{hw}-{seq}-{hw}", 7, "AABBCC-7-AABBCC"),
    ],
)
def test_placeholders_are_filled(pattern: str, number: int, name: str) -> None:
    assert read_pattern(pattern).name(number, "AABBCC") == name


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "meter",
        "meter-{}",
        "meter-{seq",
        "meter-{seq:x}",
        "{seq.__class__}",
        "{0}",
        "{seq}{",
        "{seq:99d}",
        "{id}",
    ],
)
def test_what_makes_no_names_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidValue, match="makes no names"):
        read_pattern(pattern)


@pytest.mark.parametrize("pattern", ["x" * 200 + "{seq}", "a\n{seq}", "<b>{seq}"])
def test_what_makes_names_that_no_device_may_have_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidValue):
        read_pattern(pattern)


def test_a_hardware_id_that_no_name_may_have_in_it_is_refused() -> None:
    with pytest.raises(InvalidValue, match="HTML"):
        read_pattern("meter-{hw}").name(1, "<script>")


def test_braces_of_a_hardware_id_are_no_placeholders() -> None:
    assert read_pattern("{hw}-{seq}").name(7, "{seq}") == "{seq}-7"
