"""Names are stored in one form, and those that deceive are refused (threat HT-7)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot.errors import InvalidValue
from firstboot.names import MAX_NAME_LENGTH, clean_name

ANY_TEXT = st.text(st.characters(), max_size=300)


@given(ANY_TEXT)
@example("\u0344")  # NFC makes two characters of it
@example("\u2000x")  # NFC makes another kind of space of it
@example(" \u0301")
@example("\u1fef")  # NFC makes an ASCII character of it
@example("x" * 255 + " ")
@example("e\u0301" * 255)
def test_any_text_is_refused_or_comes_out_clean(text: str) -> None:
    try:
        name = clean_name(text)
    except InvalidValue:
        return

    assert 0 < len(name) <= MAX_NAME_LENGTH
    assert name == name.strip() == unicodedata.normalize("NFC", name)
    assert not {unicodedata.category(each) for each in name} & {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}


@given(ANY_TEXT)
def test_a_clean_name_is_clean(text: str) -> None:
    try:
        name = clean_name(text)
    except InvalidValue:
        return

    assert clean_name(name) == name


@given(ANY_TEXT)
def test_texts_that_are_equal_in_nfc_have_one_name_or_none(text: str) -> None:
    def outcome(form: str) -> str | None:
        try:
            return clean_name(form)
        except InvalidValue:
            return None

    twins = {
        outcome(text),
        outcome(unicodedata.normalize("NFC", text)),
        outcome(unicodedata.normalize("NFD", text)),
    }

    assert len(twins) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zähler", "Za\u0308hler"),
        ("Å", "\u212b"),
        ("K-7", "\u212a-7"),
        ("한글", unicodedata.normalize("NFD", "한글")),
        ("meter-7", "  meter-7\t\n"),
        ("meter-7", "\u00a0meter-7\u3000"),
    ],
)
def test_twins_are_one_name(one: str, other: str) -> None:
    assert clean_name(one) == clean_name(other)


def test_homoglyphs_stay_two_names() -> None:
    assert clean_name("meter") != clean_name("mеter")  # the second has a Cyrillic letter


@pytest.mark.parametrize("name", ["meter", "METER", "Meter"])
def test_case_stays(name: str) -> None:
    assert clean_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a/b",
        "+",
        "#",
        "$SYS/broker",
        "..",
        "../../etc/passwd",
        "%s {0} {x}",
        "{ {x} }",
        "'; DROP TABLE device; --",
        "C:\\temp",
        "a<3",
        "a < b",
        "< img src=x>",  # no tag: HTML wants the letter right after the sign
        "a <",
        "<>",
        "temperature > 7",
        "javascript",
        "\N{GRINNING FACE}",
        "電流計 Ω",
        "مقياس",
        "a\u00a0b",
        "\ue000",  # private use: some makers have symbols there
        "x" * MAX_NAME_LENGTH,
        "\N{GRINNING FACE}" * MAX_NAME_LENGTH,
    ],
)
def test_odd_names_that_harm_nobody_stay_as_they_are(name: str) -> None:
    assert clean_name(name) == name


@pytest.mark.parametrize("text", ["", " ", "\t\r\n", "\u00a0\u2003", "\u2028"])
def test_a_blank_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        clean_name(text)


@pytest.mark.parametrize(
    "character",
    [
        pytest.param("\x00", id="NUL"),
        pytest.param("\n", id="line feed"),
        pytest.param("\x1b", id="escape"),
        pytest.param("\x7f", id="delete"),
        pytest.param("\x85", id="next line"),
        pytest.param("\x9b", id="control sequence introducer"),
        pytest.param("\u00ad", id="soft hyphen"),
        pytest.param("\u061c", id="Arabic letter mark"),
        pytest.param("\u200b", id="zero-width space"),
        pytest.param("\u200c", id="zero-width non-joiner"),
        pytest.param("\u200d", id="zero-width joiner"),
        pytest.param("\u200e", id="left-to-right mark"),
        pytest.param("\u2028", id="line separator"),
        pytest.param("\u2029", id="paragraph separator"),
        pytest.param("\u202a", id="left-to-right embedding"),
        pytest.param("\u202e", id="right-to-left override"),
        pytest.param("\u2060", id="word joiner"),
        pytest.param("\u2066", id="left-to-right isolate"),
        pytest.param("\ufeff", id="byte order mark"),
        pytest.param("\U000e0041", id="tag"),
        pytest.param("\ud800", id="high surrogate"),
        pytest.param("\udfff", id="low surrogate"),
        pytest.param("\u0378", id="unassigned"),
        pytest.param("\ufffe", id="no character"),
    ],
)
def test_characters_that_are_not_seen_are_refused(character: str) -> None:
    with pytest.raises(InvalidValue):
        clean_name(f"me{character}ter")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a<b>",
        "</p>",
        "a <b",
        "5<b",
        "<!--",
        "<?php",
        "{{7*7}}",
        "{{ name }}",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "\u212aey <svg onload=alert(1)>",
    ],
)
def test_markup_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        clean_name(text)


def test_a_name_has_at_most_255_characters_after_it_is_cleaned() -> None:
    assert len(clean_name(" " + "e\u0301" * MAX_NAME_LENGTH + " ")) == MAX_NAME_LENGTH

    with pytest.raises(InvalidValue, match="at most 255"):
        clean_name("x" * (MAX_NAME_LENGTH + 1))
    with pytest.raises(InvalidValue, match="at most 255"):
        clean_name("\N{GRINNING FACE}" * 65_536)


def test_a_refusal_says_what_was_named() -> None:
    with pytest.raises(InvalidValue, match="profile name"):
        clean_name("", "profile name")
