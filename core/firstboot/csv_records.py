"""Reading CSV record by record, so that a broken one costs no other, and none much memory (threat HT-8)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO

MAX_RECORD_LINES = 100
"""Lines of one record: cells in quotes may have line ends in them."""
MAX_RECORD_LENGTH = 65_536
"""Characters of one record."""
MAX_CELLS = 1000
BLOCK_LENGTH = 65_536
"""Characters that are read of a file at a time."""

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


def read_records(source: str | TextIO, delimiter: str) -> Iterator[Record]:
    """Yield the records of a CSV text or file (RFC 4180) with the lines that they begin on; blank lines are none.

    A record that cannot be read yields its error, and reading goes on with the line after its first. Of a file,
    no more than a record and a block is in memory; opened with ``errors="surrogateescape"``, bytes that are no
    text cost their own record only.
    """
    lines = _Lines(source)
    while lines.begin_record():
        first = lines.number
        try:
            cells = next(csv.reader(lines, delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except (_TooLong, csv.Error) as error:
            lines.skip_first_line_of_record()
            yield Record(first, error=_reason(error))
            continue
        if len(cells) > MAX_CELLS:
            yield Record(first, error=f"The row has more than {MAX_CELLS} cells.")
        elif not all(cell.isascii() or _is_text(cell) for cell in cells):
            yield Record(first, error="The row is not text in UTF-8.")
        elif cells:
            yield Record(first, tuple(cells))


def _reason(error: Exception) -> str:
    if isinstance(error, _TooLong):
        return (
            f"The row has more than {MAX_RECORD_LENGTH} characters or {MAX_RECORD_LINES} lines. "
            "Perhaps a quote is not closed."
        )
    return f"The row is not CSV ({error})."


def _is_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Lines:
    """The lines of a source; a record may take only so many of them.

    The window is what was read and is still needed: it begins with the record, to which one can go back.
    """

    def __init__(self, source: str | TextIO) -> None:
        self._file = None if isinstance(source, str) else source
        self._window = source if isinstance(source, str) else source.read(BLOCK_LENGTH)
        self._start = 0
        """Where in the window the record begins."""
        self._position = 1 if self._window.startswith("\ufeff") else 0
        self._first = self.number = 1
        """The line of `_start`, and that of `_position`."""
        self._lines_left = self._characters_left = 0

    def begin_record(self) -> bool:
        """Go to the next line that is not blank; return whether there is one."""
        while True:
            # All blank lines at once: a table of nothing else is millions of them.
            match = _LINE_ENDS.match(self._window, self._position)
            assert match is not None  # it matches nothing, too
            self.number += self._window.count("\n", self._position, match.end())
            self._start = self._position = match.end()
            self._first = self.number
            if self._position < len(self._window):
                self._lines_left, self._characters_left = MAX_RECORD_LINES, MAX_RECORD_LENGTH
                return True
            if not self._read_on():
                return False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        length = self._line_length(self._characters_left)
        if not length:
            raise StopIteration
        if self._lines_left == 0 or length > self._characters_left:
            raise _TooLong
        self._lines_left -= 1
        self._characters_left -= length
        line = self._window[self._position : self._position + length]
        self._position += length
        self.number += 1
        return line

    def skip_first_line_of_record(self) -> None:
        """Go back to where the record began, and on to the line after."""
        self._position = self._start
        self.number = self._first + 1
        while (end := self._window.find("\n", self._position)) < 0:
            self._start = self._position = len(self._window)
            if not self._read_on():
                return
        self._position = end + 1

    def _line_length(self, longest: int) -> int:
        """Return how long the line at the position is, with its end; of a longer one than this, more than this."""
        while True:
            end = self._window.find("\n", self._position)
            if end >= 0:
                return end + 1 - self._position
            length = len(self._window) - self._position
            if length > longest or not self._read_on():
                return length

    def _read_on(self) -> bool:
        """Read another block, and forget what is before the record; return whether there was more."""
        block = self._file.read(BLOCK_LENGTH) if self._file is not None else ""
        if block:
            self._window = self._window[self._start :] + block
            self._position -= self._start
            self._start = 0
        return bool(block)
