"""QR codes that a phone can read from a label of a given size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from firstboot.errors import InvalidValue

QUIET = 4
"""Modules that stay white on each side (ISO/IEC 18004)."""
SMALLEST_MODULE = 0.2
"""Millimetres: below, printers of 600 dpi and phones at arm's length make mistakes."""


@dataclass(frozen=True)
class Code:
    """A QR code: its modules row by row, without the quiet zone."""

    modules: Sequence[bytes]

    @property
    def size(self) -> int:
        """Modules of a side, with the quiet zone."""
        return len(self.modules) + 2 * QUIET

    def bars(self) -> Iterator[tuple[int, int, int]]:
        """Yield dark modules as bars: row, column and length, counted with the quiet zone."""
        for row, modules in enumerate(self.modules, QUIET):
            start = None
            for column, dark in enumerate((*modules, 0), QUIET):
                if dark and start is None:
                    start = column
                elif not dark and start is not None:
                    yield row, start, column - start
                    start = None


def code_of(link: str, side: float) -> Code:
    """Return the code of a link for a square with this side (millimetres), as robust as it may be there.

    Raises: `InvalidValue` when the label is too small for it.
    """
    import segno

    for level in ("m", "l"):
        try:
            made = segno.make_qr(link, error=level, boost_error=False)
        except segno.DataOverflowError:
            continue
        code = Code([bytes(row) for row in made.matrix])
        if side / code.size >= SMALLEST_MODULE:
            return code
    raise InvalidValue("The label is too small for the QR code of this name and secret.")
