"""What stands on a label, and what its link says."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.csv_cells import safe_cell
from firstboot.csv_records import Record
from firstboot.errors import InvalidValue
from firstboot_plugins.labels.content import Label, LabelReader, checked_url

URL = "https://iot.example.com"
SECRET = "K7QW2M9XTRBA8HE4"


def label(name: str, secret: str = SECRET, *, tenant: str | None = None, url: str = URL) -> Label:
    return LabelReader(["name", "secret"], url, tenant).read(Record(2, (safe_cell(name), safe_cell(secret))))


def test_the_link_has_everything_behind_the_fragment_mark() -> None:
    """CM-9: what is there is sent to no server."""
    assert label("meter 1").link == f"{URL}/claim#name=meter%201&secret={SECRET}"
    assert label("m", tenant="acme").link == f"{URL}/claim#name=m&secret={SECRET}&tenant=acme"
    assert label("m", "", url=f"{URL}/iot/").link == f"{URL}/iot/claim#name=m"


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=60), st.text(max_size=40))
def test_every_name_and_secret_reads_back_from_the_link(name: str, secret: str) -> None:
    try:
        made = label(name, secret)
    except InvalidValue:
        return

    parts = urlsplit(made.link)
    assert (parts.netloc, parts.path, parts.query) == ("iot.example.com", "/claim", "")
    assert made.link.isascii()
    assert parse_qs(parts.fragment) == {"name": [made.name], **({"secret": [made.secret]} if made.secret else {})}


def test_a_name_that_the_import_made_harmless_is_printed_as_it_is() -> None:
    """HT-8."""
    assert label("=1+1").name == "=1+1"
    assert label("-5").name == "-5"


@pytest.mark.parametrize(
    ("secret", "groups"),
    [
        (SECRET, ["K7QW", "2M9X", "TRBA", "8HE4"]),
        ("", []),
        ("my own secret", ["my own secret"]),
        (SECRET.lower(), [SECRET.lower()]),
        (SECRET[:12], [SECRET[:12]]),
    ],
)
def test_only_secrets_that_may_be_typed_with_blanks_are_printed_in_groups(secret: str, groups: list[str]) -> None:
    assert label("m", secret).groups == groups


@pytest.mark.parametrize(
    "cells", [("", SECRET), ("<b>x", SECRET), ("a\x07", SECRET), ("m", "x\x07"), ("m", "x" * 256), ()]
)
def test_a_row_that_is_no_label_is_refused_and_not_quoted(cells: tuple[str, ...]) -> None:
    with pytest.raises(InvalidValue) as refused:
        LabelReader(["name", "secret"], URL, None).read(Record(2, cells))

    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("header", [["name"], ["secret"], ["name", "secret", "Name"], ["name,secret"]])
def test_a_table_without_names_or_secrets_is_refused(header: list[str]) -> None:
    with pytest.raises(InvalidValue, match="no column"):
        LabelReader(header, URL, None)


@pytest.mark.parametrize(
    "url",
    ["", "iot.example.com", "ftp://x", "https://", "https://x/#a", "https://x/?a", "javascript:alert(1)",
     "https://x y", "https://\u200bx", "https://[::1"],
)  # fmt: skip
def test_a_url_that_no_customer_could_follow_is_refused(url: str) -> None:
    with pytest.raises(InvalidValue, match="https://iot"):
        checked_url(url)


def test_a_label_does_not_show_its_secret() -> None:
    assert SECRET not in repr(label("m"))
