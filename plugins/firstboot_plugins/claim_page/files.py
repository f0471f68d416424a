"""The files of the claim page, read once; a digest of all of them is part of their addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from firstboot_plugins.claim_page.colours import text_on
from firstboot_plugins.claim_page.logo import read_logo

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from firstboot_plugins.claim_page.config import ClaimPageConfig

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_OTHER = "text/plain; charset=utf-8"
_VERSION_LENGTH = 16
_ICON = "icon.svg"
_ICON_COLOUR = b"#1257c9"
_THEME = """\
:root {{ --accent: {accent}; --on-accent: {on_accent}; }}
@media (prefers-color-scheme: dark) {{ :root {{ --accent: {accent_dark}; --on-accent: {on_accent_dark}; }} }}
"""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """All files by their names, and the version that stands in their addresses."""

    version: str
    files: Mapping[str, StaticFile]
    logo: str
    """Name of the image on top of the page."""


def static_files(config: ClaimPageConfig) -> StaticFiles:
    """Read the files, and make those that depend on the configuration."""
    found = dict(_below(files(__package__) / "static", ""))
    icon = found[_ICON]
    found[_ICON] = StaticFile(icon.content.replace(_ICON_COLOUR, config.accent.encode()), icon.media_type)
    found["theme.css"] = StaticFile(_theme(config), _TYPES[".css"])
    name = _ICON
    if config.logo is not None:
        logo = read_logo(config.logo)
        name = f"logo.{logo.suffix}"
        found[name] = StaticFile(logo.content, logo.media_type)
    digest = hashlib.sha256()
    for each in sorted(found):
        digest.update(f"{each}\0{len(found[each].content)}\0".encode() + found[each].content)
    return StaticFiles(digest.hexdigest()[:_VERSION_LENGTH], found, name)


def _below(folder: Traversable, prefix: str) -> list[tuple[str, StaticFile]]:
    found: list[tuple[str, StaticFile]] = []
    for each in folder.iterdir():
        name = f"{prefix}{each.name}"
        if each.is_dir():
            found += _below(each, f"{name}/")
        else:
            suffix = f".{name.rpartition('.')[2]}"
            found.append((name, StaticFile(each.read_bytes(), _TYPES.get(suffix, _OTHER))))
    return found


def _theme(config: ClaimPageConfig) -> bytes:
    return _THEME.format(
        accent=config.accent,
        on_accent=text_on(config.accent),
        accent_dark=config.accent_dark,
        on_accent_dark=text_on(config.accent_dark),
    ).encode()
