"""Sessions of browsers: a cookie that proves who asks, and what proves that our own page asks (threat CN-2).

The cookie holds the access token of a login, out of reach of scripts. A browser sends it along with whatever
request any page makes, so it counts only for calls that are marked for it, only for requests that the browser says
are our page's, and, where something may change, only with a token that no other page can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import Request

from firstboot.secret import Secret, same_text
from firstboot_plugins.admin.failures import Failure

if TYPE_CHECKING:
    from firstboot.identities import Identity
    from firstboot.keyring import Keyring

COOKIE = "__Host-firstboot"
"""The prefix makes browsers refuse one that was set without encryption, or by a neighbouring host."""
PLAIN_COOKIE = "firstboot"
"""Of servers that are reached without encryption, where browsers keep no cookie with that prefix."""
CSRF_HEADER = "x-csrf-token"

_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OWN_SITE = frozenset({"same-origin", "none"})
"""What `Sec-Fetch-Site` says of our page's requests, and of addresses that somebody has typed."""


def cookie_of(request: Request, url: str) -> Secret | None:
    """Return what the session cookie holds; ``url`` is where people reach this server."""
    token = request.cookies.get(COOKIE)
    if token is None and not is_encrypted(request, url):
        token = request.cookies.get(PLAIN_COOKIE)
    return Secret(token) if token else None


def is_encrypted(request: Request, url: str) -> bool:
    """Say whether the browser speaks TLS, to this server or to one in front of it that ``url`` leads to."""
    return request.url.scheme == "https" or url.startswith("https://")


def csrf_token(keyring: Keyring, identity: Identity) -> Secret:
    """Return the token of a session, which only a page that may read our answers learns."""
    assert identity.session is not None  # somebody with a session
    return Secret(keyring.digest("csrf", str(identity.session.public_id)).hex())


def check_own_page(request: Request, url: str) -> None:
    """Raise the refusal of a request that another site's page has made, or that does not say whose it is."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in _OWN_SITE:
        raise _cross_site()
    if request.method not in _UNSAFE:
        return
    origin = request.headers.get("origin")
    if origin is None and site is None:
        raise _cross_site()
    if origin is not None and not _is_own(origin, request, url):
        raise _cross_site()


def check_csrf(request: Request, keyring: Keyring, identity: Identity) -> None:
    """Raise the refusal of a request that may change something and does not bring the session's token."""
    if request.method not in _UNSAFE:
        return
    expected = csrf_token(keyring, identity).reveal()
    if not same_text(request.headers.get(CSRF_HEADER, ""), expected):
        raise _cross_site()


def _is_own(origin: str, request: Request, url: str) -> bool:
    """Compare with where people reach us, and with the host that the browser itself has asked for."""
    ours = urlsplit(url)
    if origin == f"{ours.scheme}://{ours.netloc}":
        return True
    scheme, separator, host = origin.partition("://")
    if not separator or (is_encrypted(request, url) and scheme != "https"):
        return False
    return host == request.headers.get("host")


def _cross_site() -> Failure:
    return Failure(403, "The request does not come from this server's own page.", code="cross-site")
