"""Single labels as PNG, in the resolution of the printer: each module of the code is whole dots."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstboot_plugins.labels.files import LabelFiles
from firstboot_plugins.labels.fonts import Font, Fonts
from firstboot_plugins.labels.layout import Layout, Text

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_INCH = 25.4
_MEASURED_AT = 100


class PngFiles:
    """A file for each label."""

    def __init__(self, folder: Path, fonts: Fonts, dpi: int) -> None:
        self._fonts = fonts
        self._dots = dpi / _INCH
        """Of a millimetre."""
        self._dpi = dpi
        self._files = LabelFiles(folder, "png")

    def measure(self, text: str, mono: bool) -> float:
        """Return how wide a text is in a font of size 1."""
        pieces = self._fonts.pieces(text, mono)
        return sum(_loaded(piece.font, _MEASURED_AT).getlength(piece.text) for piece in pieces) / _MEASURED_AT

    def lacks(self, text: Text) -> bool:
        """Say whether letters of a text are replaced, because no font has them."""
        return self._fonts.lacks(text.text, text.mono)

    def draw(self, layout: Layout, name: str) -> None:
        """Write the next label."""
        from PIL import Image, ImageDraw

        dots = self._dots
        image = Image.new("L", (round(layout.width * dots), round(layout.height * dots)), 255)
        draw = ImageDraw.Draw(image)
        module = max(1, int(layout.module * dots))
        spare = (layout.module * dots - module) * layout.code.size / 2
        left, top = round(layout.code_x * dots + spare), round(layout.code_y * dots + spare)
        for row, column, length in layout.code.bars():
            corner = (left + column * module, top + row * module)
            draw.rectangle((*corner, corner[0] + length * module - 1, corner[1] + module - 1), fill=0)
        for text in layout.texts:
            x = text.x * dots
            for piece in self._fonts.pieces(text.text, text.mono):
                # Rounded down, so that no line becomes wider than its room.
                font = _loaded(piece.font, max(1, int(text.size * dots)))
                draw.text((x, text.y * dots), piece.text, fill=0, font=font, anchor="ls")
                x += font.getlength(piece.text)
        written = io.BytesIO()
        image.convert("1", dither=Image.Dither.NONE).save(written, "PNG", dpi=(self._dpi, self._dpi))
        self._files.write(name, written.getvalue())

    def finish(self) -> None:
        """All is written."""


@lru_cache(maxsize=64)
def _loaded(font: Font, size: int) -> FreeTypeFont:
    from PIL import ImageFont

    loaded: Any = ImageFont.load_default(size) if font.file is None else ImageFont.truetype(font.file, size)
    return loaded  # type: ignore[no-any-return]
