"""Section ``[claim_page]``: what is wrong in it is told at start, with what to do."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from firstboot.config import ConfigSource
from firstboot.errors import ConfigError
from firstboot_plugins.claim_page.colours import contrast, text_on
from firstboot_plugins.claim_page.config import DARK_GROUND, ClaimPageConfig
from firstboot_plugins.claim_page.files import static_files
from firstboot_plugins.claim_page.logo import MAX_SIZE_BYTES


def checked(**settings: Any) -> ClaimPageConfig:
    """Return the section with these settings.

    Raises: `ConfigError`.
    """
    source = ConfigSource.read(None, {}, {"claim_page": settings})
    return source.check({"claim_page": ClaimPageConfig}).section(ClaimPageConfig)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"title": " "}, "claim_page.title: not usable: String should have at least 1 character."),
        ({"titel": "x"}, "claim_page.titel: no such key. Did you mean title?"),
        (
            {"label_claim_button": "x" * 501},
            "claim_page.label_claim_button: not usable: String should have at most",
        ),
        ({"texts": {"wrong_secrets": "x"}}, "claim_page.texts: not usable: there is no text 'wrong_secrets': did"),
        ({"texts": {"zzz": "x"}}, "claim_page.texts: not usable: there is no text 'zzz': there are loading, "),
        ({"texts": {"loading": ""}}, "claim_page.texts.loading: not usable: String should have at least 1"),
        ({"accent": "blue"}, "claim_page.accent: not usable: give a colour such as #1257c9."),
        ({"accent": "#ffff00"}, "claim_page.accent: not usable: its contrast with #ffffff is 1.1, too low"),
        ({"accent_dark": "#000080"}, "claim_page.accent_dark: not usable: its contrast with #1b1e24 is 1.0, too"),
        ({"language": "English!"}, "claim_page.language: not usable: give a language such as en, de or pt-BR."),
        (
            {"privacy_url": "http://a.example"},
            "claim_page.privacy_url: not usable: give an address that begins with",
        ),
        (
            {"imprint_url": "javascript:alert(1)"},
            "claim_page.imprint_url: not usable: give an address that begins",
        ),
        ({"imprint_url": "https://"}, "claim_page.imprint_url: not usable: give an address that begins with"),
        ({"embed_in": ["https://*.example.com"]}, "claim_page.embed_in.0: not usable: give a site such as"),
        ({"embed_in": ["https://a.example/shop"]}, "claim_page.embed_in.0: not usable: give a site such as"),
        ({"embed_in": ["http://a.example"]}, "claim_page.embed_in.0: not usable: give a site such as"),
        (
            {"embed_in": ["https://a.example; script-src *"]},
            "claim_page.embed_in.0: not usable: give a site such as",
        ),
        (
            {"logo": "/no/such/file.png"},
            "/no/such/file.png cannot be read (No such file or directory): give the path",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_told(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked(**settings)

    assert told in str(refused.value)
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"GIF89a", "is no PNG, WebP or SVG image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(MAX_SIZE_BYTES), "more than 256 KiB"),
    ],
)
def test_a_logo_that_is_none_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "logo.png"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=told):
        checked(logo=str(path))


@pytest.mark.parametrize(
    ("content", "media_type", "name"),
    [
        (b"\x89PNG\r\n\x1a\n...", "image/png", "logo.png"),
        (b"RIFF....WEBPVP8 ", "image/webp", "logo.webp"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml", "logo.svg"),
    ],
)
def test_a_logo_is_known_by_its_content(tmp_path: Path, content: bytes, media_type: str, name: str) -> None:
    path = tmp_path / "whatever.bin"
    path.write_bytes(content)

    served = static_files(checked(logo=str(path)))

    assert served.logo == name
    assert (served.files[name].content, served.files[name].media_type) == (content, media_type)


def test_the_version_of_the_files_changes_with_any_of_them() -> None:
    assert static_files(checked()).version == static_files(checked()).version
    assert static_files(checked()).version != static_files(checked(accent="#8b0000")).version


def test_the_code_reader_is_the_published_one_with_its_licence_beside_it() -> None:
    files = static_files(checked()).files
    listed = re.findall(r"(?m)^([0-9a-f]{64})  (\S+)$", files["qr/ORIGIN"].content.decode())

    assert {name: hashlib.sha256(files[f"qr/{name}"].content).hexdigest() for _, name in listed} == {
        name: digest for digest, name in listed
    }
    assert {name for _, name in listed} == {"index.js", "decode.js"}
    assert b"Paul Miller" in files["qr/LICENSE"].content


def test_the_contrast_of_colours_is_that_of_wcag() -> None:
    assert round(contrast("#000000", "#ffffff"), 2) == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48  # the example that just fails
    assert text_on("#1257c9") == "#ffffff"
    assert text_on("#8ab4ff") == "#000000"


def test_the_dark_ground_is_that_of_the_style_sheet() -> None:
    style = static_files(checked()).files["page.css"].content.decode()

    assert f"--card: {DARK_GROUND};" in style
