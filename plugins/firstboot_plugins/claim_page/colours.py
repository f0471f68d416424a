"""Colours that somebody has chosen, and whether people can read what is written in them (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

import re

ENOUGH = 4.5
"""The least contrast of text."""
WHITE = "#ffffff"
BLACK = "#000000"

_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def text_on(colour: str) -> str:
    """Return the colour of text on a coloured ground; black or white can always be read."""
    return max(WHITE, BLACK, key=lambda text: contrast(text, colour))


def readable_on(ground: str, colour: str) -> str:
    """Check that text in this colour can be read on that ground.

    Raises: `ValueError` with what to do.
    """
    if not _HEX.fullmatch(colour):
        raise ValueError("give a colour such as #1257c9")
    found = contrast(colour, ground)
    if found < ENOUGH:
        other = "darker" if text_on(ground) == BLACK else "lighter"
        raise ValueError(f"its contrast with {ground} is {found:.1f}, too low to be read: give a {other} one")
    return colour


def _luminance(colour: str) -> float:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return 0.2126 * _linear(red) + 0.7152 * _linear(green) + 0.0722 * _linear(blue)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
