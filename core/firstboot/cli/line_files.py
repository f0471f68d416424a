"""Files with one name a line, as options of commands take them."""

from __future__ import annotations

import sys
from pathlib import Path

import typer


def lines_of(file: Path | None) -> list[str]:
    """Return the lines of a file (None: there is none; -: standard input) that are not blank."""
    if file is None:
        return []
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not text in UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
