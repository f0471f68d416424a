"""Sheets of labels as they are sold, and single labels as label printers take them. Lengths in millimetres."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from firstboot.errors import InvalidValue

_INCH = 25.4
_A4 = (210.0, 297.0)
_LETTER = (8.5 * _INCH, 11 * _INCH)
_SIZE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)x([0-9]{1,3}(?:\.[0-9]{1,2})?)(?:mm)?")
_SMALLEST, _LARGEST = 10.0, 500.0


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A page of equal labels in rows and columns."""

    width: float
    height: float
    label_width: float
    label_height: float
    columns: int = 1
    rows: int = 1
    left: float = 0.0
    """From the edge of the page to the first label."""
    top: float = 0.0
    across: float = 0.0
    """From one label to the next in a row, left edge to left edge."""
    down: float = 0.0

    @property
    def labels(self) -> int:
        return self.columns * self.rows

    def place(self, index: int) -> tuple[float, float]:
        """Return the left upper corner of a label; they are numbered row by row, from 0."""
        row, column = divmod(index, self.columns)
        return self.left + column * self.across, self.top + row * self.down


def _sheet(page: tuple[float, float], columns: int, rows: int, *lengths: float) -> Sheet:
    """``lengths``: width and height of a label, left and top margin, distance across and down."""
    width, height, left, top, across, down = lengths
    return Sheet(
        width=page[0],
        height=page[1],
        columns=columns,
        rows=rows,
        label_width=width,
        label_height=height,
        left=left,
        top=top,
        across=across,
        down=down,
    )


def _inches(columns: int, rows: int, *lengths: float) -> Sheet:
    return _sheet(_LETTER, columns, rows, *(length * _INCH for length in lengths))


FORMATS: Mapping[str, Sheet] = {
    "avery-l4731": _sheet(_A4, 7, 27, 25.4, 10.0, 8.48, 13.5, 27.94, 10.0),
    "avery-l7651": _sheet(_A4, 5, 13, 38.1, 21.2, 4.65, 10.7, 40.65, 21.2),
    "avery-l7159": _sheet(_A4, 3, 8, 63.5, 33.9, 7.2, 12.9, 66.05, 33.9),
    "avery-l7160": _sheet(_A4, 3, 7, 63.5, 38.1, 7.2, 15.15, 66.05, 38.1),
    "avery-l7163": _sheet(_A4, 2, 7, 99.1, 38.1, 4.65, 15.15, 101.6, 38.1),
    "avery-l7165": _sheet(_A4, 2, 4, 99.1, 67.7, 4.65, 13.1, 101.6, 67.7),
    "avery-5160": _inches(3, 10, 2.625, 1.0, 0.1875, 0.5, 2.75, 1.0),
    "avery-5163": _inches(2, 5, 4.0, 2.0, 0.15625, 0.5, 4.1875, 2.0),
    "avery-5164": _inches(2, 3, 4.0, 10 / 3, 0.15625, 0.5, 4.1875, 10 / 3),
    "avery-5167": _inches(4, 20, 1.75, 0.5, 0.28125, 0.5, 2.0625, 0.5),
}
"""By the maker's number; the labels of others are sold under the same numbers."""


def single(text: str) -> Sheet:
    """Return a page that is one label, from its size, such as ``62x29`` (millimetres, width first).

    Raises: `InvalidValue`.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    lengths = [float(length) for length in match.groups()] if match else []
    if not lengths or not all(_SMALLEST <= length <= _LARGEST for length in lengths):
        raise InvalidValue(
            f"Give width and height in millimetres, such as 62x29: each {_SMALLEST:.0f} to {_LARGEST:.0f}."
        )
    width, height = lengths
    return Sheet(width=width, height=height, label_width=width, label_height=height)
