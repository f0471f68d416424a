"""Files with secrets in them: for their owner only, and never in place of another file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from firstboot.errors import InvalidValue

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_NAME = 40


def write_private(path: Path, content: bytes) -> None:
    """Make a file.

    Raises: `InvalidValue` when there is one already, `OSError`.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise InvalidValue(f"{path} exists, and is never overwritten. Give another name.") from None
    with open(descriptor, "wb") as file:
        file.write(content)


class LabelFiles:
    """Numbered files in a folder. Of a device's name no more is in a file's name than is harmless there."""

    def __init__(self, folder: Path, ending: str) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self._ending = ending
        self._number = 0

    def write(self, name: str, content: bytes) -> None:
        """Write the next file.

        Raises: `InvalidValue` when there is one already, `OSError`.
        """
        self._number += 1
        harmless = _UNSAFE.sub("-", name)[:_MAX_NAME].strip("-")
        stem = "-".join(filter(None, (f"{self._number:05d}", harmless)))
        write_private(self._folder / f"{stem}.{self._ending}", content)
