"""Cells are no formulas to a spreadsheet, and read back as they were (threat HT-8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.csv_cells import plain_cell, safe_cell


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "'=1", "''=1", "=cmd|'calc'!A0", "\n=1", "＝1"]
)
def test_what_may_be_a_formula_begins_with_an_apostrophe(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "meter-1", "'quoted'", "1=1", "o'clock", "'", "ä="])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text


@given(st.text(alphabet="'=+-@\t\rab"))
def test_every_text_reads_back(text: str) -> None:
    assert plain_cell(safe_cell(text)) == text
    assert safe_cell(text)[:1] not in tuple("=+-@\t\r")
