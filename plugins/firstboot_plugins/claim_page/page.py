"""The page itself: one document for everybody, made at start; nothing of a request or a person is in it."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from firstboot_plugins.claim_page.texts import TEXTS

if TYPE_CHECKING:
    from firstboot_plugins.claim_page.config import ClaimPageConfig
    from firstboot_plugins.claim_page.files import StaticFiles

OWN_TEXTS = (
    "title",
    "label_claim_button",
    "device_label",
    "secret_key_label",
    "successful_claim_device",
    "device_not_found",
    "failed_claim_device",
    "required_error_device",
    "required_error_secret_key",
)
"""Keys of the words that stand in the section itself, beside ``texts``."""

_LINK = '<a href="{url}" rel="noopener noreferrer" target="_blank">{text}</a>'
_LOGO = '<img class="logo" src="{url}" alt="">'
# What could end the block of data early, or begin a comment in it.
_UNSAFE_IN_DATA = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def page(config: ClaimPageConfig, static: StaticFiles, *, link: str, sign_up: Sequence[str]) -> bytes:
    """Return the document. Texts of the configuration are texts in it, never markup (threat CN-1).

    ``link``: where claim links lead. ``sign_up``: names of the tenants where people may sign up.
    """
    words = _words(config)
    folder = f"claim/static/{static.version}"
    data = {
        "texts": words,
        "showSecret": config.show_secret,
        "link": link,
        # Only how many: the names of an installation's tenants are nobody's business.
        "signUpTenants": len(sign_up),
    }
    marks = {
        **{f"t_{key}": html.escape(text) for key, text in words.items()},
        "language": html.escape(config.language),
        "folder": folder,
        "data": json.dumps(data, ensure_ascii=False).translate(_UNSAFE_IN_DATA),
        "logo": _LOGO.format(url=f"{folder}/{static.logo}"),
        "links": _links(config, words),
    }
    template = Template((files(__package__) / "page.html").read_text("utf-8"))
    return template.substitute(marks).encode()


def _words(config: ClaimPageConfig) -> dict[str, str]:
    return {**TEXTS, **config.texts, **{key: getattr(config, key) for key in OWN_TEXTS}}


def _links(config: ClaimPageConfig, words: Mapping[str, str]) -> str:
    urls = {"imprint": config.imprint_url, "privacy": config.privacy_url}
    return " ".join(
        _LINK.format(url=html.escape(url), text=html.escape(words[key])) for key, url in urls.items() if url
    )
