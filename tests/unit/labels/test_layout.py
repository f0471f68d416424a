"""Everything on a label has room, whatever its name, and its secret is whole."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.claim_secrets import ALPHABET
from firstboot.errors import InvalidValue
from firstboot_plugins.labels.codes import QUIET, SMALLEST_MODULE
from firstboot_plugins.labels.content import Label
from firstboot_plugins.labels.formats import FORMATS
from firstboot_plugins.labels.layout import Layout, Text, lay_out

NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=255)
SECRETS = st.text(ALPHABET, min_size=16, max_size=16) | st.text("abc-XYZ 1", max_size=60)
SIZES = st.sampled_from(
    sorted(
        {(sheet.label_width, sheet.label_height) for sheet in FORMATS.values()} | {(62, 29), (30, 40), (10, 10)}
    )
)


def measure(text: str, mono: bool) -> float:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return 0.6 * len(text) + 0.4 * wide


def made(name: str, secret: str) -> Label:
    return Label(name.strip() or "x", secret.strip(), f"https://iot.example.com/claim#name={name.encode().hex()}")


def edges(layout: Layout, text: Text) -> tuple[float, float, float, float]:
    """Return left, right, top and bottom of a text: letters reach this far above and below their base line."""
    return text.x, text.x + text.width, text.y - 0.8 * text.size, text.y + 0.25 * text.size


@given(NAMES, SECRETS, SIZES, st.sampled_from(["", "ACME", "A long title of a company that has many words"]))
def test_nothing_leaves_the_label_or_covers_something_else(
    name: str, secret: str, size: tuple[float, float], title: str
) -> None:
    width, height = size
    try:
        layout = lay_out(made(name, secret), width, height, title, measure)
    except InvalidValue:
        return

    side = layout.module * layout.code.size
    quiet = QUIET * layout.module
    dark_right, dark_bottom = layout.code_x + side - quiet, layout.code_y + side - quiet
    assert layout.module >= SMALLEST_MODULE
    assert layout.code_x >= 0
    assert layout.code_y >= 0
    assert layout.code_x + side <= width + 1e-6
    assert layout.code_y + side <= height + 1e-6
    lowest = 0.0
    for text in layout.texts:
        left, right, top, bottom = edges(layout, text)
        assert left >= 0
        assert right <= width + 1e-6
        assert bottom <= height + 1e-6
        assert top >= lowest - 1e-6, "no line covers another one"
        assert left >= dark_right + quiet - 1e-6 or top >= dark_bottom + quiet - text.size * 0.5, "nor the code"
        lowest = bottom


@given(NAMES, SECRETS, SIZES)
def test_the_secret_is_whole_and_a_name_that_is_cut_shows_it(
    name: str, secret: str, size: tuple[float, float]
) -> None:
    label = made(name, secret)
    try:
        layout = lay_out(label, *size, "", measure)
    except InvalidValue:
        return

    shown_secret = [text.text for text in layout.texts if text.mono]
    shown_name = "".join(text.text for text in layout.texts if not text.mono)
    glue = " " if len(label.groups) > 1 else ""
    assert glue.join(shown_secret) == glue.join(label.groups)
    assert shown_name == label.name or (
        shown_name.endswith("…") and label.name.startswith(shown_name.removesuffix("…"))
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_room_for_a_usual_device(name: str) -> None:
    sheet = FORMATS[name]
    link = "https://iot.example.com/claim#name=70B3D57ED0051234&secret=K7QW2M9XTRBA8HE4"

    layout = lay_out(
        Label("70B3D57ED0051234", "K7QW2M9XTRBA8HE4", link), sheet.label_width, sheet.label_height, "", measure
    )

    texts = [text.text for text in layout.texts]
    assert "".join(texts).replace(" ", "") == "70B3D57ED0051234K7QW2M9XTRBA8HE4"


def test_a_label_that_is_too_small_is_refused() -> None:
    with pytest.raises(InvalidValue, match="too small"):
        lay_out(Label("m", "s" * 255, "https://x/claim#" + "s" * 255), 12, 12, "", measure)
    with pytest.raises(InvalidValue, match="too small"):
        lay_out(Label("m", "s", "https://x/claim#" + "n" * 3000), 500, 500, "", measure)


@pytest.mark.parametrize("name", FORMATS)
def test_lines_of_a_secret_are_equally_long(name: str) -> None:
    sheet = FORMATS[name]
    label = made("70B3D57ED005A1B2", "K7QWRT5M2X9DA4PC")

    layout = lay_out(label, sheet.label_width, sheet.label_height, "", measure)

    lines = [text.text for text in layout.texts if text.mono]
    assert "".join(lines).replace(" ", "") == label.secret
    assert len({len(line) for line in lines}) == 1
