"""Where links lead: to what the configuration says, never to what a request says (threat HT-5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firstboot.config import Address, ServerConfig
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
    host = services.config.section(ServerConfig).public_host
    return f"http://{Address(host, services.listeners['http'].port)}"


def activation_link(services: Services, token: Secret) -> str:
    """Return the link with which a user chooses a first password (contract 5.4)."""
    return f"{public_url(services)}{ACTIVATE}?activateToken={token.reveal()}"
