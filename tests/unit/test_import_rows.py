"""What a row of a delivery list says of a device."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.errors import InvalidValue
from firstboot.import_rows import COLUMNS, DeviceRow, RowReader
from firstboot.model import Attribute, Scope, WantedCredentials
from firstboot.secret import Secret

SECRET = "s3cret-of-the-meter"


def row(header: str, cells: str) -> DeviceRow:
    return RowReader(header.split("|")).read(cells.split("|"))


def test_columns_are_found_by_their_titles_in_any_order_and_spelling() -> None:
    assert row("Label| NAME |Client_ID|claim until", "Cellar|m-1|c-1|2030-01-31") == DeviceRow(
        name="m-1",
        label="Cellar",
        wanted=WantedCredentials(type="MQTT_BASIC", client_id="c-1"),
        until_ms=1_896_048_000_000,
    )


def test_empty_and_missing_cells_say_nothing() -> None:
    assert row("name|label|gateway|token|secret|server:a", "m-1| ||") == DeviceRow(name="m-1")


def test_cells_without_a_title_may_only_be_empty() -> None:
    assert row("name", "m-1|| ") == DeviceRow(name="m-1")
    with pytest.raises(InvalidValue, match="2 cells for 1 column"):
        row("name", f"m-1|{SECRET}")


def test_names_may_stand_in_a_column_of_another_title() -> None:
    reader = RowReader(["DevEUI", "AppKey", "name"], name_column="deveui", ignored=["appkey", "Name"])

    assert reader.read(["70B3D57ED0051234", SECRET, "Anna"]) == DeviceRow(name="70B3D57ED0051234")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("name|colour|weight", "'colour', 'weight'"),
        ("label", "no column 'name'"),
        ("name|label|Label", "same name"),
        ("name|server:a|server:a", "same name"),
        ("name|client:a", "'client:a'"),
        ("name|server:", "'server:'"),
        ("name|server:claimingData", "secret and claim-until"),
    ],
)
def test_a_header_that_no_row_could_follow_is_refused(header: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        RowReader(header.split("|"))


def test_unknown_columns_are_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidValue) as refused:
        RowReader(["name", "colour"])

    assert all(column in str(refused.value) for column in COLUMNS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("-1.5", -1.5), ("0", 0), ("true", True), ("false", False), ("on", "on"), ("True", "True"),
        ('{"a": [1]}', {"a": [1]}), ("[1, 2]", [1, 2]), ("{not json}", "{not json}"), ('"5"', "5"),
        ("007", "007"), ("1e5", "1e5"), ("70E512", "70E512"), ("=1+1", "=1+1"), ("-", "-"), ("1.", "1."),
        ("99999999999999999999", "99999999999999999999"), ("null", "null"), ("NaN", "NaN"),
    ],
)  # fmt: skip
def test_values_of_attributes_are_typed_and_identifiers_stay_texts(text: str, value: Any) -> None:
    (attribute,) = row("name|shared:key", f"m-1|{text}").attributes

    assert attribute == Attribute(Scope.SHARED, "key", value)
    assert type(attribute.value) is type(value)


def test_attributes_keep_the_case_of_their_keys() -> None:
    assert row("name|Server: siteId|shared:Room_No", "m-1|7|b").attributes == (
        Attribute(Scope.SERVER, "siteId", 7),
        Attribute(Scope.SHARED, "Room_No", "b"),
    )


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("name|label", "|x"),
        ("name|gateway", "m-1|perhaps"),
        ("name|claim-until", "m-1|tomorrow"),
        ("name|claim-until", "m-1|1969-12-31"),
        ("name|token|username", f"m-1|{SECRET}|u"),
        ("name|token|certificate", f"m-1|{SECRET}|pem"),
        ("name|secret", f"m-1|{SECRET * 20}"),
        ("name|secret", f"m-1|{SECRET}\x07"),
        ("name|secret", "m-1|***"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_and_quotes_no_secret(header: str, cells: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        row(header, cells)

    assert SECRET not in str(refused.value)


def test_a_row_shows_no_secret() -> None:
    read = row("name|secret|password|username|server:key", f"m-1|{SECRET}|{SECRET}|u|{SECRET}")

    assert read.secret == Secret(SECRET)
    assert SECRET not in repr(read)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8), st.lists(st.text(max_size=40), max_size=8))
def test_any_header_and_row_is_read_or_refused(header: list[str], cells: list[str]) -> None:
    try:
        RowReader(["name", *header]).read(["m-1", *cells])
    except InvalidValue:
        pass
