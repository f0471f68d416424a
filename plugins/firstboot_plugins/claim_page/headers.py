"""What browsers are told about the claim page (threats CN-1 and CN-3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from firstboot_plugins.transports.http.answers import SAFE_HEADERS

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
)


def page_headers(embed_in: Sequence[str]) -> Mapping[str, str]:
    """Return the headers of the page, which those sites may show in a frame."""
    headers = {
        **SAFE_HEADERS,
        "content-security-policy": _POLICY.format(ancestors=" ".join(embed_in) or "'none'"),
        "permissions-policy": "camera=(self)",
    }
    if embed_in:
        # It knows no list of sites; `frame-ancestors` above does.
        del headers["x-frame-options"]
    return headers


def file_headers(*, is_drawing: bool = False) -> Mapping[str, str]:
    """Return the headers of a file whose address changes with its content, so that it can be kept for ever."""
    headers = {**SAFE_HEADERS, "cache-control": "public, max-age=31536000, immutable"}
    if is_drawing:  # opened by itself, an SVG is a document, whose scripts would run in our name
        headers["content-security-policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return headers
