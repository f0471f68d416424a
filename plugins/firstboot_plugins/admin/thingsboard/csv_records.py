"""Reading CSV text record by record, so that a broken one costs no other (threat HT-8)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_RECORD_LINES = 100
"""Lines of one record: cells in quotes may have line ends in them."""
MAX_RECORD_LENGTH = 65_536
"""Characters of one record."""
MAX_CELLS = 1000

_LINE_ENDS = re.compile(r"[\r\n]*")


@dataclass(frozen=True, slots=True)
class Record:
    """The cells that begin on a line, or why there are none."""

    line: int
    """1-based."""
    cells: tuple[str, ...] = field(default=(), repr=False)
    error: str | None = None


class _TooLong(Exception):
    """A record does not end where it must; most often it has an opening quote too much."""


def read_records(text: str, delimiter: str) -> Iterator[Record]:
    """Yield the records of a CSV text (RFC 4180) with the lines that they begin on; blank lines are none.

    A record that cannot be read yields its error, and reading goes on with the line after its first.
    """
    lines = _Lines(text.removeprefix("\ufeff"))
    while not lines.at_end():
        lines.skip_line_ends()
        first = lines.number
        start = lines.position
        lines.begin_record()
        try:
            cells = next(csv.reader(lines, delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except (_TooLong, csv.Error) as error:
            lines.go_to(start, first)
            lines.skip()
            yield Record(first, error=_reason(error))
            continue
        if len(cells) > MAX_CELLS:
            yield Record(first, error=f"The row has more than {MAX_CELLS} cells.")
        elif cells:
            yield Record(first, tuple(cells))


def _reason(error: Exception) -> str:
    if isinstance(error, _TooLong):
        return (
            f"The row has more than {MAX_RECORD_LENGTH} characters or {MAX_RECORD_LINES} lines. "
            "Perhaps a quote is not closed."
        )
    return f"The row is not CSV ({error})."


class _Lines:
    """The lines of a text; a record may take only so many of them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.go_to(0, 1)

    def go_to(self, position: int, number: int) -> None:
        self.position = position
        self.number = number
        """Of the next line."""
        self.begin_record()

    def begin_record(self) -> None:
        self._lines_left = MAX_RECORD_LINES
        self._characters_left = MAX_RECORD_LENGTH

    def at_end(self) -> bool:
        return self.position >= len(self._text)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.at_end():
            raise StopIteration
        start, length = self.position, self._end() - self.position
        if self._lines_left == 0 or length > self._characters_left:
            raise _TooLong
        self._lines_left -= 1
        self._characters_left -= length
        self.skip()
        return self._text[start : self.position]

    def skip_line_ends(self) -> None:
        """Skip blank lines, all at once: a table of nothing else is millions of them."""
        match = _LINE_ENDS.match(self._text, self.position)
        assert match is not None  # it matches nothing, too
        self.number += self._text.count("\n", self.position, match.end())
        self.position = match.end()

    def skip(self) -> None:
        self.position = self._end()
        self.number += 1

    def _end(self) -> int:
        return self._text.find("\n", self.position) + 1 or len(self._text)
