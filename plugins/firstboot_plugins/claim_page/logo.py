"""The logo on the claim page: a file that somebody has drawn, served so that nothing in it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MAX_SIZE_BYTES = 262_144

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Logo:
    """An image, and what it is."""

    content: bytes
    media_type: str
    suffix: str


def read_logo(path: Path) -> Logo:
    """Read a logo. What it is shows in its content, whatever it is called.

    Raises: `ValueError` with what to do.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}): give the path of an image") from None
    if len(content) > MAX_SIZE_BYTES:
        raise ValueError(f"{path} has more than {MAX_SIZE_BYTES // 1024} KiB: give a smaller image")
    if content.startswith(_PNG):
        return Logo(content, "image/png", "png")
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return Logo(content, "image/webp", "webp")
    if b"<svg" in content[:4096]:
        return Logo(content, "image/svg+xml", "svg")
    raise ValueError(f"{path} is no PNG, WebP or SVG image: convert it")
