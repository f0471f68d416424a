"""Cells of CSV that spreadsheets take for text, whatever is in them (threat HT-8)."""

from __future__ import annotations

import re

# Also those of full width: where Japanese or Chinese is written, spreadsheets take them for the others.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_MARKED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")


def safe_cell(text: str) -> str:
    """Return a cell that no program runs as a formula: one that may look like one begins with an apostrophe."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain_cell(cell: str) -> str:
    """Return the text of which `safe_cell` made this cell."""
    return cell[1:] if _MARKED.match(cell) else cell
