"""PointPerfect from an NTRIP server: where it is, and a user name and a password for it (contract section 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from firstboot.app import Services
from firstboot.config import ServerConfig
from firstboot.model import Device, Origin, WantedCredentials
from firstboot.mqtt_passwords import parts_of
from firstboot.secret import LOWER_ALPHANUMERIC, random_text
from firstboot_plugins.dialects.thingstream.credentials import MQTT_BASIC, basic_credentials
from firstboot_plugins.dialects.thingstream.retrieval import Issued
from firstboot_plugins.dialects.thingstream.services import Thingstream

USER_NAME_LENGTH = 12
PASSWORD_LENGTH = 24
_ACTOR = "device"


class Rtcm:
    """Gives each Thing a user name and a password, the same ones each time it asks.

    The NTRIP server is another program, and has to know them: operators read them as any device's credentials.
    Here they open nothing.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        config = Thingstream.of(services).config
        self._endpoint = config.rtcm_host or services.config.section(ServerConfig).public_host
        self._port, self._mount_point = config.rtcm_port, config.rtcm_mount_point

    async def issue(self, public_id: UUID) -> Issued:
        """Draw a user name and a password."""
        user_name, password = random_text(USER_NAME_LENGTH, LOWER_ALPHANUMERIC), random_text(PASSWORD_LENGTH)
        wanted = WantedCredentials(
            type=MQTT_BASIC, client_id=str(public_id), username=user_name, password=password
        )
        return Issued(wanted, {"userName": user_name, "password": password})

    async def again(self, thing: Device, origin: Origin) -> Mapping[str, str]:
        """Return what the Thing has; something new if that was revoked, or it has never been told any."""
        devices = self._services.devices
        current = await devices.credentials(thing)
        parts = parts_of(current) if current.type == MQTT_BASIC else {}
        if parts.get("userName") and parts.get("password"):
            return {"userName": parts["userName"], "password": parts["password"]}
        told = (await self.issue(thing.public_id)).told
        fresh = basic_credentials(str(thing.public_id), told["userName"], told["password"])
        await devices.change_credentials(thing, fresh, actor=_ACTOR)
        return told

    def answer(self, thing: Device, told: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the five parts, all of them texts: a device reads a port that is a number as nothing."""
        return {
            "clientId": str(thing.public_id),
            "rtcmCredentials": {
                "endpoint": self._endpoint,
                "httpPort": str(self._port),
                "mountPoint": self._mount_point,
                "userName": told["userName"],
                "password": told["password"],
            },
        }
