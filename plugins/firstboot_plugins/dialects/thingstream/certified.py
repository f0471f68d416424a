"""Things that log in over TLS with a certificate (contract section 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firstboot.logins import Match
from firstboot.model import DIALECT, Origin
from firstboot_plugins.dialects.thingsboard.certificate_proof import CertificateProof, CertificateRefused
from firstboot_plugins.dialects.thingstream.pointperfect_rights import PointPerfectRights
from firstboot_plugins.dialects.thingstream.services import Thingstream
from firstboot_plugins.dialects.thingstream.settings import NAME
from firstboot_plugins.dialects.thingstream.things import kept_with
from firstboot_plugins.transports.mqtt.packets import Connect

if TYPE_CHECKING:
    from firstboot.app import Services

_ACTOR = "device"


class CertifiedLogins:
    """Judges the certificates that the server has issued to Things of PointPerfect."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._thingstream = Thingstream.of(services)
        self._proof = CertificateProof(services)

    async def match(self, connect: Connect, origin: Origin) -> Match | None:
        """Return the Thing whose certificate this is; None with a client id that is not its common name.

        Raises: `Unavailable`.
        """
        if origin.certificate is None:
            return None
        try:
            match = await self._proof.device(origin.certificate)
        except CertificateRefused:
            return None
        if match is None or connect.client_id != str(match.found.device.public_id):
            return None
        profile = self._services.logins.profile_of(match)
        return match if profile is not None and profile.details.get(DIALECT) == NAME else None

    async def admit(self, match: Match) -> PointPerfectRights:
        """Return what the Thing may do; from now on the certificates that it had before are void.

        Raises: `Unavailable`.
        """
        device, storage = match.found.device, self._services.storage
        rows = await storage.device_credentials(device.id)
        kept = next((place for place, row in enumerate(rows, 1) if row.digest == match.found.digest), len(rows))
        await self._services.devices.end_former_credentials(device, kept, actor=_ACTOR)
        thing = await storage.device_by_public_id(device.tenant_id, device.public_id)
        plan = kept_with(thing).get("plan") if thing is not None else None
        topics = self._thingstream.plan(str(plan)).topics
        return PointPerfectRights(device.tenant_id, device.public_id, topics)
