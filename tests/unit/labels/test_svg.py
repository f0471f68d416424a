"""A label as SVG is a picture, whatever its texts are (threat HT-9)."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot_plugins.labels.content import Label
from firstboot_plugins.labels.layout import lay_out
from firstboot_plugins.labels.svg import SvgFiles, svg_of

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(name: str, secret: str, title: str, folder: Path) -> list[str]:
    label = Label(name, secret, "https://iot.example.com/claim#name=x")
    picture = svg_of(lay_out(label, 99.1, 67.7, title, SvgFiles(folder).measure))
    root = ElementTree.fromstring(picture.encode())
    assert {element.tag for element in root.iter()} <= {f"{SVG}{tag}" for tag in ("svg", "rect", "path", "text")}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or "href" in name or name == "style"]
    return [element.text or "" for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize(
    "payload",
    ["</text><script>alert(1)</script>", '"><a xlink:href="javascript:1">', "&lt;", "]]>", "&#0;", "'\"<>&"],
)
def test_markup_is_text(tmp_path: Path, payload: str) -> None:
    assert "".join(texts_of(payload, "s", payload, tmp_path)) == payload + payload + "s"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=40))
def test_any_printable_text_is_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    assert "".join(texts_of(text, "s", "", tmp_path_factory.getbasetemp())) == text + "s"
