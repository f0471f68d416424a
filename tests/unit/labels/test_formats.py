"""Labels lie on their sheets as they are cut."""

from __future__ import annotations

import pytest

from firstboot.errors import InvalidValue
from firstboot_plugins.labels.formats import FORMATS, Sheet, single


@pytest.mark.parametrize("name", FORMATS)
def test_labels_lie_on_the_sheet_and_not_on_each_other(name: str) -> None:
    sheet = FORMATS[name]
    places = [sheet.place(index) for index in range(sheet.labels)]

    assert sheet.across >= sheet.label_width
    assert sheet.down >= sheet.label_height
    assert len(set(places)) == sheet.labels
    for x, y in places:
        assert 0 <= x <= sheet.width - sheet.label_width
        assert 0 <= y <= sheet.height - sheet.label_height


@pytest.mark.parametrize("name", FORMATS)
def test_margins_are_the_same_on_both_sides(name: str) -> None:
    """As they are on every sheet that is sold; a wrong number shows itself here."""
    sheet = FORMATS[name]
    x, y = sheet.place(sheet.labels - 1)

    assert sheet.width - (x + sheet.label_width) == pytest.approx(sheet.left, abs=0.1)
    assert sheet.height - (y + sheet.label_height) == pytest.approx(sheet.top, abs=0.1)


def test_labels_are_counted_row_by_row() -> None:
    sheet = FORMATS["avery-l7160"]

    assert sheet.labels == 21
    assert sheet.place(0) == (7.2, 15.15)
    assert sheet.place(4) == (pytest.approx(7.2 + 66.05), pytest.approx(15.15 + 38.1))


@pytest.mark.parametrize("text", ["62x29", "62X29mm", " 62.0x29 "])
def test_a_single_label_is_a_page_of_its_size(text: str) -> None:
    assert single(text) == Sheet(width=62, height=29, label_width=62, label_height=29)


@pytest.mark.parametrize("text", ["", "62", "62x", "x29", "9x29", "62x501", "-62x29", "62x29in", "1e3x5", "٦٢x٢٩"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="62x29"):
        single(text)
