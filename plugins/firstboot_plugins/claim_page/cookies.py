"""The session cookie as a browser is given it, and has it taken away (threat CN-2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firstboot_plugins.admin.browser_sessions import COOKIE, PLAIN_COOKIE, is_encrypted
from firstboot_plugins.admin.public_url import public_url
from firstboot_plugins.claim_page.config import ClaimPageConfig

if TYPE_CHECKING:
    from starlette.responses import Response

    from firstboot.secret import Secret
    from firstboot_plugins.admin.operation import Call


def give_cookie(call: Call, response: Response, token: Secret) -> None:
    """Let the browser keep a session until it is closed; the token in it ends by itself."""
    _set(call, response, token.reveal())


def take_cookie(call: Call, response: Response) -> None:
    """Let the browser forget the session."""
    _set(call, response, "", "Max-Age=0")


def _set(call: Call, response: Response, value: str, *more: str) -> None:
    # Written by hand: the standard library learns `Partitioned` only with Python 3.14.
    if call.services.config.section(ClaimPageConfig).embed_in:
        # In a frame of another site a browser keeps only this kind, apart for each of those sites.
        name = COOKIE
        attributes = ["SameSite=None", "Secure", "Partitioned"]
    elif is_encrypted(call.request, public_url(call.services)):
        name = COOKIE
        attributes = ["SameSite=Strict", "Secure"]
    else:
        name = PLAIN_COOKIE
        attributes = ["SameSite=Strict"]
    parts = [f"{name}={value}", "Path=/", "HttpOnly", *attributes, *more]
    response.headers.append("set-cookie", "; ".join(parts))
