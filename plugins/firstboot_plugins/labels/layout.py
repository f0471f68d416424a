"""Where things stand on a label: the code on the left or on top, and the texts beside, as large as they fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from firstboot.errors import InvalidValue
from firstboot_plugins.labels.codes import QUIET, Code, code_of
from firstboot_plugins.labels.content import Label

Measure = Callable[[str, bool], float]
"""Returns how wide a text is in a font of size 1; the second argument: with letters of one width."""

LARGEST, SMALLEST = 4.5, 1.3
"""Millimetres of the font size of names and secrets."""
LARGEST_CODE = 32.0
_STEP = 0.93
_LINE = 1.25
"""Height of a line, as a multiple of the font size; the base line is at `_BASE` of it."""
_BASE = 0.78
_TITLE = 0.8
_SHRUNK = 0.6
"""How much smaller than the secret a name may be rather than be broken into lines."""
_GAP = 0.3
"""Between name and secret."""
_ELLIPSIS = "…"


@dataclass(frozen=True)
class Text:
    """A line of text: left end of its base line, font size, and how wide it may be. Millimetres."""

    text: str
    x: float
    y: float
    size: float
    width: float
    mono: bool = False


@dataclass(frozen=True)
class Layout:
    """A label that can be drawn, measured from its left upper corner."""

    width: float
    height: float
    code: Code
    code_x: float
    code_y: float
    module: float
    texts: Sequence[Text]


def lay_out(label: Label, width: float, height: float, title: str, measure: Measure) -> Layout:
    """Place code and texts on a label of this size. Names that are too long are cut, secrets never.

    Raises: `InvalidValue` when the label is too small.
    """
    margin = max(1.0, min(width, height) * 0.05)
    beside = width >= 1.3 * height
    side = min(LARGEST_CODE, height, 0.5 * width) if beside else min(LARGEST_CODE, width, 0.7 * height)
    code = code_of(label.link, side)
    module = side / code.size
    if beside:
        code_x, code_y = 0.0, (height - side) / 2
        quiet = QUIET * module
        left, top = max(side, side - quiet + margin), margin
    else:
        code_x, code_y = (width - side) / 2, 0.0
        left, top = margin, side
    room = (width - left - margin, height - top - margin)
    lines = _fit(label, title, room, measure)
    y = top + ((room[1] - sum(line.height for line in lines)) / 2 if beside else 0.0)
    texts = []
    for line in lines:
        y += line.height
        base = y - (1 - _BASE) * line.size * _LINE
        texts.append(Text(line.text, left, base, line.size, measure(line.text, line.mono) * line.size, line.mono))
    return Layout(width, height, code, code_x, code_y, module, texts)


@dataclass(frozen=True)
class _Line:
    text: str
    size: float
    mono: bool = False
    gap: float = 0.0

    @property
    def height(self) -> float:
        return self.size * (_LINE + self.gap)


def _fit(label: Label, title: str, room: tuple[float, float], measure: Measure) -> list[_Line]:
    """Return the lines in the largest size in which they have room."""
    width, height = room
    size = LARGEST
    while size >= SMALLEST and width > 0:
        titles = [_Line(title, min(size * _TITLE, width / max(measure(title, False), 0.01)))] if title else []
        secret = _secret(label.groups, size, width, measure)
        if secret is not None:
            left = height - sum(line.height for line in (*titles, *secret))
            names = _name(label.name, size, width, measure)
            if sum(line.height for line in names) <= left:
                return [*titles, *names, *secret]
            if size * _STEP < SMALLEST and left >= size * _LINE:
                return [*titles, *_cut(names, int(left / (size * _LINE)), width, measure), *secret]
        size *= _STEP
    raise InvalidValue("The label is too small for the secret.")


def _name(name: str, size: float, width: float, measure: Measure) -> list[_Line]:
    one_line = min(size, width / max(measure(name, False), 0.01))
    if one_line >= max(SMALLEST, _SHRUNK * size):
        return [_Line(name, one_line)]
    return [_Line(text, size) for text in _wrap(name, width / size, measure)]


def _secret(groups: Sequence[str], size: float, width: float, measure: Measure) -> list[_Line] | None:
    """Put groups into lines, the same number into each; None when a group is too wide."""
    if len(groups) == 1:
        one_line = min(size, width / max(measure(groups[0], True), 0.01))
        size = one_line if one_line >= max(SMALLEST, _SHRUNK * size) else size
        texts = _wrap(groups[0], width / size + 1e-9, measure, mono=True)
    else:
        each = next((n for n in (4, 2) if measure(" ".join(groups[:n]), True) * size <= width), 1)
        texts = [" ".join(groups[at : at + each]) for at in range(0, len(groups), each)]
    if any(measure(text, True) * size > width for text in texts):
        return None
    return [_Line(text, size, True, 0.0 if index else _GAP) for index, text in enumerate(texts)]


def _wrap(text: str, width: float, measure: Measure, *, mono: bool = False) -> list[str]:
    """Break a text into lines; a name at a blank or dash where there is one, a secret anywhere."""
    lines: list[str] = []
    while len(text) > 1 and measure(text, mono) > width:
        fits = next((end for end in range(len(text) - 1, 1, -1) if measure(text[:end], mono) <= width), 1)
        at = fits if mono else max(text.rfind(mark, fits // 2, fits) + 1 for mark in " -_") or fits
        lines.append(text[:at])
        text = text[at:]
    return [*lines, text]


def _cut(lines: Sequence[_Line], most: int, width: float, measure: Measure) -> list[_Line]:
    """Leave out the lines that are too many, and show that something is missing."""
    last = lines[most - 1]
    text = last.text
    while text and measure(text + _ELLIPSIS, False) * last.size > width:
        text = text[:-1]
    return [*lines[: most - 1], replace(last, text=text + _ELLIPSIS)]
