"""Sheets of labels as PDF, everything in it drawn as lines and letters: sharp at any resolution."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from firstboot_plugins.labels.files import write_private
from firstboot_plugins.labels.fonts import Font, Fonts, Piece
from firstboot_plugins.labels.formats import Sheet
from firstboot_plugins.labels.layout import Layout, Text

if TYPE_CHECKING:
    from fpdf import FPDF

_POINT = 72 / 25.4
"""Points of a millimetre."""
_MEASURED_AT = 100.0


class PdfSheets:
    """One file with as many sheets as are needed."""

    def __init__(self, path: Path, sheet: Sheet, fonts: Fonts, start_at: int) -> None:
        """``start_at``: the first label of the first sheet that is still there, counted from 1."""
        self._fonts = fonts
        self._path = path
        self._sheet = sheet
        self._index = start_at - 1
        self._pdf = _document(sheet)
        self._families: dict[Path | None, str] = {}

    def measure(self, text: str, mono: bool) -> float:
        """Return how wide a text is in a font of size 1."""
        return (
            sum(self._width(piece, mono, _MEASURED_AT) for piece in self._fonts.pieces(text, mono)) / _MEASURED_AT
        )

    def lacks(self, text: Text) -> bool:
        """Say whether letters of a text are replaced, because no font has them."""
        return self._fonts.lacks(text.text, text.mono)

    def draw(self, layout: Layout, name: str) -> None:
        """Draw the next label."""
        index = self._index % self._sheet.labels
        if index == 0 or not self._pdf.pages:
            self._pdf.add_page()
        self._index += 1
        x, y = self._sheet.place(index)
        with self._pdf.local_context():
            for row, column, length in layout.code.bars():
                module = layout.module
                left, top = x + layout.code_x + column * module, y + layout.code_y + row * module
                self._pdf.rect(left, top, length * module, module, "F")
        for text in layout.texts:
            left = x + text.x
            for piece in self._fonts.pieces(text.text, text.mono):
                width = self._width(piece, text.mono, text.size)
                # A cell of the height of its font has its base line at 0.8 of it.
                self._pdf.set_xy(left, y + text.y - 0.8 * text.size)
                self._pdf.cell(width, text.size, piece.text)
                left += width

    def finish(self) -> None:
        """Write the file."""
        write_private(self._path, bytes(self._pdf.output()))

    def _width(self, piece: Piece, mono: bool, size: float) -> float:
        """Return how wide a piece is, and set its font."""
        self._set_font(piece.font, mono, size)
        return self._pdf.get_string_width(piece.text)

    def _set_font(self, font: Font, mono: bool, size: float) -> None:
        family = self._families.get(font.file)
        if font.file is None:
            family = "courier" if mono else "helvetica"
        elif family is None:
            family = self._families[font.file] = f"font{len(self._families)}"
            self._pdf.add_font(family, fname=font.file)
        self._pdf.set_font(family, size=size * _POINT)
        self._pdf.set_text_shaping(font.file is not None)


def _document(sheet: Sheet) -> FPDF:
    # Both speak of fonts that have tables which nobody needs here.
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    logging.getLogger("fpdf").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from fpdf import FPDF

    pdf = FPDF(unit="mm", format=(sheet.width, sheet.height))
    pdf.set_auto_page_break(False)
    pdf.set_margin(0)
    pdf.c_margin = 0
    pdf.str_alias_nb_pages = ""  # else a name with "{nb}" in it would show how many pages there are
    pdf.set_creator("Firstboot")
    return pdf
