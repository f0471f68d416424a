"""Settings of the claim page: its words, its looks, and where it may be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints

from firstboot_plugins.claim_page.colours import WHITE, readable_on
from firstboot_plugins.claim_page.logo import read_logo
from firstboot_plugins.claim_page.texts import TEXTS

DARK_GROUND = "#1b1e24"
"""Of the cards on a dark page, as ``page.css`` has it."""

_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_LOOPBACK = frozenset({"localhost", "127.0.0.1"})


def _accent(colour: str) -> str:
    return readable_on(WHITE, colour)


def _accent_dark(colour: str) -> str:
    return readable_on(DARK_GROUND, colour)


def _readable(path: Path) -> Path:
    read_logo(path)
    return path


def _language(tag: str) -> str:
    if not _LANGUAGE.fullmatch(tag):
        raise ValueError("give a language such as en, de or pt-BR")
    return tag


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or not url.isprintable() or " " in url:
        raise ValueError("give an address that begins with https://")
    return url


def _site(origin: str) -> str:
    scheme, _, host = origin.partition("://")
    known = scheme == "https" or (scheme == "http" and host.partition(":")[0] in _LOOPBACK)
    if not known or not _HOST.fullmatch(host):
        raise ValueError("give a site such as https://shop.example.com, without a path")
    return origin


def _texts(texts: Mapping[str, str]) -> Mapping[str, str]:
    for key in texts:
        if key not in TEXTS:
            near = get_close_matches(key, TEXTS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(TEXTS)}"
            raise ValueError(f"there is no text {key!r}: {hint}")
    return texts


Text = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
"""Words on the page. They are shown as they are: markup has no meaning in them."""
Accent = Annotated[str, AfterValidator(_accent)]
AccentDark = Annotated[str, AfterValidator(_accent_dark)]
Image = Annotated[Path, AfterValidator(_readable)]
Language = Annotated[str, AfterValidator(_language)]
HttpsUrl = Annotated[str, AfterValidator(_https)]
Site = Annotated[str, AfterValidator(_site)]
Texts = Annotated[Mapping[str, Text], AfterValidator(_texts)]


@dataclass(frozen=True, kw_only=True)
class ClaimPageConfig:
    """Section ``[claim_page]``: the page at ``/claim``. The first nine keys are those of ThingsBoard's widget."""

    title: Text = "Claim your device"
    """Title of the page."""

    label_claim_button: Text = "Claim device"
    """What the button says."""

    device_label: Text = "Device name"
    """Label of the field for the device's name."""

    secret_key_label: Text = "Secret key"
    """Label of the field for the secret."""

    successful_claim_device: Text = "Device was successfully claimed!"
    """Shown when the device belongs to the customer."""

    device_not_found: Text = "Device not found! Please compare the name: capital letters count."
    """Shown for a name that no device has."""

    failed_claim_device: Text = "Failed to claim the device!"
    """Shown when there is nothing better to say; for the usual reasons there are ``texts``."""

    required_error_device: Text = "Device name is required"
    """Shown when the field for the name is empty."""

    required_error_secret_key: Text = "Secret key is required"
    """Shown when the field for the secret is empty."""

    show_secret: bool = True
    """Whether there is a field for the secret; without it devices are claimed with their name, or with a link."""

    texts: Texts = field(default_factory=dict)
    """All other words on the page, by key, such as ``wrong_secret`` (see `firstboot_plugins.claim_page.texts`)."""

    language: Language = "en"
    """Of the words, for screen readers."""

    accent: Accent = "#1257c9"
    """Colour of buttons and links; white text, and the colour on white, have to be readable."""

    accent_dark: AccentDark = "#8ab4ff"
    """The same where people prefer a dark page."""

    logo: Image | None = None
    """Path of an image (PNG, WebP or SVG, at most 256 KiB) that stands on top of the page."""

    imprint_url: HttpsUrl | None = None
    """Where the link to the imprint leads."""

    privacy_url: HttpsUrl | None = None
    """Where the link to the privacy statement leads."""

    embed_in: tuple[Site, ...] = ()
    """Sites that may show the page in a frame, such as ``https://shop.example.com``. Needs TLS."""
