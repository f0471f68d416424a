"""Fonts for names in any script: those that were given, then those that are installed on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path

from firstboot.errors import InvalidValue

REPLACEMENT = "\N{WHITE SQUARE}"
_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
)
_PREFERRED = ("DejaVuSans", "NotoSans-Regular", "LiberationSans-Regular", "Arial")
_MONO = ("DejaVuSansMono", "NotoSansMono-Regular", "LiberationMono-Regular", "Courier New")
_MOST_LOOKED_AT = 300
_ENDINGS = (".ttf", ".otf", ".ttc")
_STYLES = ("bold", "italic", "oblique", "light", "thin", "medium", "black", "condensed", "narrow", "math", "emoji")


@dataclass(frozen=True)
class Font:
    """A font of a file, or (None) one that every PDF reader has, with western letters only."""

    file: Path | None

    @cached_property
    def _characters(self) -> frozenset[int]:
        if self.file is None:
            return frozenset(range(0x20, 0x7F))
        from fontTools.ttLib import TTFont, TTLibError

        try:
            with self.file.open("rb") as file, TTFont(file, lazy=True, fontNumber=0) as font:
                drawable = "glyf" in font or "CFF " in font
                return frozenset(font.getBestCmap() or ()) if drawable else frozenset()
        except (TTLibError, OSError, ValueError, KeyError, AssertionError):
            return frozenset()

    @property
    def usable(self) -> bool:
        return bool(self._characters)

    def is_one_of(self, names: Sequence[str]) -> bool:
        return self.file is not None and self.file.stem in names

    def missing(self, text: str) -> int:
        """Return how many characters of a text the font has not."""
        return sum(ord(character) not in self._characters for character in text)

    def shown(self, text: str) -> str:
        """Return a text as this font can show it: what is missing is seen to be."""
        replacement = REPLACEMENT if ord(REPLACEMENT) in self._characters else "?"
        return "".join(character if ord(character) in self._characters else replacement for character in text)


BUILT_IN = Font(None)


@dataclass(frozen=True)
class Piece:
    """A part of a text in one font."""

    font: Font
    text: str
    replaced: bool
    """Whether there are characters in it that stand for others."""


class Fonts:
    """Chooses fonts: the first one that has all characters of a text; else the one that has most, and others."""

    def __init__(self, given: Sequence[Path] = ()) -> None:
        """``given``: files to look at first.

        Raises: `InvalidValue` for one that is no font.
        """
        self._given = [Font(file) for file in given]
        for font in self._given:
            if not font.usable:
                raise InvalidValue(f"{font.file} is no font in TrueType or OpenType form that can be read.")

        self._pieces = lru_cache(maxsize=1024)(self._split)
        self._best = lru_cache(maxsize=1024)(self._choose)

    def pieces(self, text: str, mono: bool = False) -> Sequence[Piece]:
        """Return a text in pieces of one font each. ``mono``: rather with letters that are all equally wide.

        What no font has is replaced, visibly.
        """
        return self._pieces(text, mono)

    def lacks(self, text: str, mono: bool = False) -> bool:
        """Say whether some of a text is replaced, because no font has it."""
        return any(piece.replaced for piece in self.pieces(text, mono))

    def _split(self, text: str, mono: bool) -> Sequence[Piece]:
        main = self._best(text, mono)
        pieces = []
        for missing, characters in groupby(text, key=lambda character: main.missing(character) > 0):
            part = "".join(characters)
            font = self._best(part, mono) if missing else main
            pieces.append(Piece(font, font.shown(part), font.missing(part) > 0))
        return pieces

    def _choose(self, text: str, mono: bool) -> Font:
        best, fewest = BUILT_IN, len(text) + 1
        for font in self._candidates(mono):
            missing = font.missing(text)
            if font.usable and missing < fewest:
                best, fewest = font, missing
            if not fewest:
                break
        return best

    def _candidates(self, mono: bool) -> Iterator[Font]:
        if mono:
            yield from (font for font in self._installed if font.is_one_of(_MONO))
        yield from self._given
        yield from self._installed

    @cached_property
    def _installed(self) -> Sequence[Font]:
        files = [
            Path(folder, name)
            for start in _FOLDERS
            for folder, _, names in os.walk(Path(start).expanduser())
            for name in names
            if name.lower().endswith(_ENDINGS) and not any(style in name.lower() for style in _STYLES)
        ]
        return [Font(file) for file in sorted(files, key=_rank)[:_MOST_LOOKED_AT]]


def _rank(file: Path) -> tuple[int, bool, str]:
    place = _PREFERRED.index(file.stem) if file.stem in _PREFERRED else len(_PREFERRED)
    return place, "sans" not in file.stem.lower(), str(file)
