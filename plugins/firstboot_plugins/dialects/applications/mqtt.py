"""Applications over MQTT: an API token as password (with any user name) or as user name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firstboot.api_tokens import PREFIX
from firstboot.model import ApiToken, Origin
from firstboot.scopes import PUBLISH, SUBSCRIBE, filters
from firstboot.secret import Secret, random_text
from firstboot.sessions import Owner
from firstboot_plugins.dialects.applications.expiry import Expiries
from firstboot_plugins.dialects.applications.feed import Feed
from firstboot_plugins.dialects.applications.session import ApplicationTopics
from firstboot_plugins.transports.mqtt.dialect import ConnectRefused, Login, SessionTopics
from firstboot_plugins.transports.mqtt.packets import Connect
from firstboot_plugins.transports.mqtt.rights import ApplicationRights

if TYPE_CHECKING:
    from firstboot.app import Services

RETAIN = "retain"


class ApplicationsMqtt:
    """The dialect as the MQTT transport sees it."""

    name = "applications"

    def __init__(self, services: Services) -> None:
        self._services = services
        self._feed = Feed(services.live_events)
        self._expiries = Expiries(services.clock, services.sessions)

    def provision_session(self, connect: Connect, origin: Origin) -> SessionTopics | None:
        """Take none."""
        return None

    async def login(self, connect: Connect, origin: Origin) -> Login | None:
        """Take every CONNECT that shows something that looks like an API token."""
        presented = presented_token(connect)
        if presented is None:
            return None
        token = await self._services.api_tokens.find(presented)
        if token is None:
            raise ConnectRefused(5, 0x86, reason="no API token matches the CONNECT")
        return self._login(token, connect.client_id)

    def _login(self, token: ApiToken, client_id: str) -> Login:
        owner = Owner("api-token", token.id)
        self._expiries.watch(owner, token.expires_at_ms)
        return Login(
            dialect=self.name,
            owner=owner,
            name=token.name,
            topics=lambda send: ApplicationTopics(token, send, self._feed),
            # Clients without an id of their own are never the same client.
            slot=client_id or f"auto-{random_text(18)}",
            rights=rights_of(token),
        )


def presented_token(connect: Connect) -> Secret | None:
    """Return the API token that a CONNECT carries, if any."""
    password = connect.password or b""
    if password.startswith(PREFIX.encode()):
        return Secret(password.decode("utf-8", "replace"))
    if connect.username and connect.username.startswith(PREFIX):
        return Secret(connect.username)
    return None


def rights_of(token: ApiToken) -> ApplicationRights:
    """Return what the token's scopes allow on the topics of the broker."""
    return ApplicationRights(
        tenant_id=token.tenant_id,
        publish=filters(token.scopes, PUBLISH),
        subscribe=filters(token.scopes, SUBSCRIBE),
        may_retain=RETAIN in token.scopes,
    )
