"""Things over MQTT: the matching triple of client id, user name and password (contract sections 5, 8)."""

from __future__ import annotations

from dataclasses import replace

from firstboot.app import Services
from firstboot.logins import Match
from firstboot.model import DIALECT, Origin
from firstboot.mqtt_passwords import is_password, parts_of
from firstboot.sessions import device_owner
from firstboot_plugins.credentials.lookup_ids import mqtt_basic_id
from firstboot_plugins.dialects.thingsboard.device_session import DeviceSession
from firstboot_plugins.dialects.thingsboard.refused_messages import RefusedMessages
from firstboot_plugins.dialects.thingstream.certified import CertifiedLogins
from firstboot_plugins.dialects.thingstream.credentials import MQTT_BASIC, PREFIX
from firstboot_plugins.dialects.thingstream.rights import ThingRights
from firstboot_plugins.dialects.thingstream.services import Thingstream
from firstboot_plugins.dialects.thingstream.settings import NAME
from firstboot_plugins.transports.mqtt.dialect import Login, SessionTopics, TopicRights
from firstboot_plugins.transports.mqtt.packets import Connect


class ThingstreamMqtt:
    """The dialect as the MQTT transport sees it."""

    name = NAME

    def __init__(self, services: Services) -> None:
        self._services = services
        self._certified = CertifiedLogins(services)
        self._endings = Thingstream.of(services).endings
        self._refused = RefusedMessages(services.clock)

    def provision_session(self, connect: Connect, origin: Origin) -> SessionTopics | None:
        """Take none: Things are made over HTTP."""
        return None

    async def login(self, connect: Connect, origin: Origin) -> Login | None:
        """Take the logins of Things; whatever else it is, is another dialect's to refuse."""
        certified = await self._certified.match(connect, origin)
        match = certified or await self._match(connect)
        if match is None:
            return None
        rights: TopicRights = ThingRights(match.found.device.tenant_id, match.found.device.public_id)
        if certified is not None:
            rights = await self._certified.admit(certified)
        device = match.found.device
        if match.found.first_login_at_ms is None:
            await self._endings.logged_in(device)
        await self._services.logins.record(match)
        origin = replace(origin, dialect=self.name)
        return Login(
            dialect=self.name,
            owner=device_owner(device.id),
            name=device.name,
            # A Thing reports and is called as any other device of this server.
            topics=lambda send: DeviceSession(
                self._services, device, origin.address, send, self._refused, level=connect.level
            ),
            rights=rights,
            device=device,
        )

    async def _match(self, connect: Connect) -> Match | None:
        """Return the Thing whose three parts these are."""
        client_id, user_name = connect.client_id, connect.username
        if not client_id.startswith(PREFIX) or not user_name or connect.password is None:
            return None
        id_ = mqtt_basic_id(client_id, user_name)
        match = (await self._services.logins.find(id_)).get(id_)
        if match is None or match.credentials.type != MQTT_BASIC:
            return None
        profile = self._services.logins.profile_of(match)
        if profile is None or profile.details.get(DIALECT) != NAME:
            return None
        parts = parts_of(match.credentials)
        password = connect.password.decode("utf-8", "surrogateescape")
        fits = parts.get("clientId") == client_id and parts.get("userName") == user_name
        return match if fits and is_password(match.credentials, password) else None
