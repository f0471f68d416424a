"""Single labels as SVG. Letters are drawn by whoever shows it, and squeezed into the room that they have."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from xml.sax.saxutils import escape

from firstboot_plugins.labels.files import LabelFiles
from firstboot_plugins.labels.layout import Layout, Text

_FAMILIES = "DejaVu Sans, Noto Sans, Arial, sans-serif"
_MONO = "DejaVu Sans Mono, Noto Sans Mono, Courier New, monospace"
_WIDE, _NARROW, _MONO_WIDTH = 1.0, 0.62, 0.61
"""Widths that are assumed of letters; East Asian ones are squares."""


class SvgFiles:
    """A file for each label."""

    def __init__(self, folder: Path) -> None:
        self._files = LabelFiles(folder, "svg")

    def measure(self, text: str, mono: bool) -> float:
        """Return how wide a text may become in a font of size 1."""
        wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
        return wide * _WIDE + (len(text) - wide) * (_MONO_WIDTH if mono else _NARROW)

    def lacks(self, text: Text) -> bool:
        """Say no: the fonts are the matter of whoever shows it."""
        return False

    def draw(self, layout: Layout, name: str) -> None:
        """Write the next label."""
        self._files.write(name, svg_of(layout).encode())

    def finish(self) -> None:
        """All is written."""


def svg_of(layout: Layout) -> str:
    """Return a label as SVG: nothing in its texts is markup."""
    width, height = f"{layout.width:g}", f"{layout.height:g}"
    bars = "".join(f"M{column} {row}h{length}v1h-{length}z" for row, column, length in layout.code.bars())
    place = f"translate({layout.code_x:.3f} {layout.code_y:.3f}) scale({layout.module:.5f})"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}mm" height="{height}mm"'
        f' viewBox="0 0 {width} {height}">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<path transform="{place}" shape-rendering="crispEdges" d="{bars}"/>',
    ]
    for text in layout.texts:
        lines.append(
            f'<text x="{text.x:.3f}" y="{text.y:.3f}" font-size="{text.size:.3f}"'
            f' font-family="{_MONO if text.mono else _FAMILIES}"'
            f' textLength="{text.width:.3f}" lengthAdjust="spacingAndGlyphs">{escape(text.text)}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])
