"""Where links lead: to what the configuration says, never to what a request says (threat HT-5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firstboot.config import Address, ServerConfig
from firstboot.listening import is_loopback
from firstboot.secret import Secret
from firstboot_plugins.transports.http.config import HttpConfig

if TYPE_CHECKING:
    from firstboot.app import Services


ACTIVATE = "/api/noauth/activate"
CLAIM_PAGE = "claim-page"
"""Name of the plugin with the page to which activation links lead."""


def public_url(services: Services) -> str:
    """Return the URL with which links begin, without a slash at its end."""
    configured = services.config.section(HttpConfig).public_url
    if configured is not None:
        return configured.rstrip("/")
    scheme, address = "http", services.listeners["http"]
    https = services.listeners.get("https")
    # Who follows a link is elsewhere as a rule, and does not get to an address of this machine alone.
    if https is not None and is_loopback(address) and not is_loopback(https):
        scheme, address = "https", https
    return f"{scheme}://{Address(services.config.section(ServerConfig).public_host, address.port)}"


def activation_link(services: Services, token: Secret) -> str:
    """Return the link with which a user chooses a first password (contract 5.4)."""
    return f"{public_url(services)}{ACTIVATE}?activateToken={token.reveal()}"
