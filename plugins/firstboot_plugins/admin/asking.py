"""Who is asking: from what a request brings to an identity that may use the call, or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from firstboot.secret import Secret
from firstboot_plugins.admin.browser_sessions import check_csrf, check_own_page, cookie_of
from firstboot_plugins.admin.failures import Failure, forbidden
from firstboot_plugins.admin.operation import ANY_SCOPE
from firstboot_plugins.admin.public_url import public_url

if TYPE_CHECKING:
    from firstboot.app import Services
    from firstboot.identities import Identity
    from firstboot_plugins.admin.operation import Access

_HEADERS = ("x-authorization", "authorization")
_SCHEMES = ("bearer", "apikey")


def presented(request: Request) -> Secret | None:
    """Return what the asker proves itself with (contract RA-1); None when it presents nothing that we know.

    The first header that is there counts. Both schemes take an access token as well as an API token.
    """
    for name in _HEADERS:
        given = request.headers.getlist(name)
        if given:
            scheme, _, text = given[0].partition(" ")
            known = len(given) == 1 and scheme.lower() in _SCHEMES
            return Secret(text.strip()) if known and text.strip() else None
    return None


async def identify(request: Request, services: Services, address: str, *, browser: bool = False) -> Identity:
    """Return who is asking, with the rights of this moment (threat LG-7).

    ``browser``: a cookie counts when no header says who asks.
    Raises: `Failure`, `NotAuthenticated`, `Unavailable`.
    """
    bearer = presented(request)
    if bearer is not None:
        return await services.authentication.identify(bearer, address)
    url = public_url(services) if browser else ""
    cookie = cookie_of(request, url) if browser and not _has_header(request) else None
    if cookie is None:
        raise Failure(401, "Authentication failed", code="not-authenticated")
    check_own_page(request, url)
    identity = await services.authentication.identify(cookie, address)
    if identity.session is None:  # an API token, which no server ever put into a cookie
        raise Failure(401, "Authentication failed", code="not-authenticated")
    check_csrf(request, services.core.keyring, identity)
    return identity


def _has_header(request: Request) -> bool:
    return any(name in request.headers for name in _HEADERS)


def check_access(access: Access, identity: Identity) -> None:
    """Raise the refusal of somebody who may not use a call."""
    if identity.scopes is None:
        allowed = identity.authority in access.authorities
    elif access.scope is None:
        allowed = False
    else:
        allowed = access.scope == ANY_SCOPE or identity.may(access.scope)
    if not allowed or (access.tenant and identity.tenant_id is None):
        raise forbidden()
