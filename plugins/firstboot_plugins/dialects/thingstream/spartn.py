"""PointPerfect over MQTT, or by satellite: a certificate, keys and topics (contract sections 6.1, 6.3)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from firstboot.app import Services
from firstboot.config import ServerConfig
from firstboot.errors import InvalidValue, ProvisioningRefused
from firstboot.logins import Match
from firstboot.model import Device, Origin, ProvisioningRequest, WantedCredentials
from firstboot.sealed_credentials import unseal_credentials
from firstboot.secret import Secret
from firstboot_plugins.dialects.thingstream.dynamic_keys import dynamic_keys
from firstboot_plugins.dialects.thingstream.retrieval import Issued
from firstboot_plugins.dialects.thingstream.services import Thingstream
from firstboot_plugins.dialects.thingstream.things import kept_with

X509_CERTIFICATE = "X509_CERTIFICATE"
FORMER_CERTIFICATES = 3
"""Certificates of a Thing, the newest among them, that wait for the next one to connect."""
MAX_BODY_BYTES = 6000
"""Devices cut off what is longer, or have no room for it."""
_TRIES = 5
_ACTOR = "device"


class Spartn:
    """Gives each Thing a key and a certificate; another pair each time it asks."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._thingstream = Thingstream.of(services)
        config = self._thingstream.config
        self._host = config.broker_host or services.config.section(ServerConfig).public_host

    async def issue(self, public_id: UUID) -> Issued:
        """Make a key and its certificate. Of the key nothing is kept."""
        key = await self._thingstream.key_stock.take()
        # The common name is the client id: the broker takes the certificate with no other.
        name, life = str(public_id), self._thingstream.config.certificate_life
        try:
            issued = await self._services.certificates.certify(
                key.public_der, name=name, public_id=public_id, life=life
            )
        except InvalidValue as error:
            raise ProvisioningRefused(str(error), code="unavailable") from None
        certificate = _pem(issued.der)
        return Issued(
            WantedCredentials(type=X509_CERTIFICATE, certificate=certificate),
            {"certificate": certificate, "privateKey": key.private_pem},
        )

    async def again(self, thing: Device, origin: Origin) -> Mapping[str, str]:
        """Give a Thing another pair. What it had stays good until it connects with the new one.

        Raises: `ProvisioningRefused`, reported already; `Unavailable`.
        """
        services, issued = self._services, await self.issue(thing.public_id)
        request = ProvisioningRequest(
            key="", secret=Secret(""), device_name=thing.name, wanted=issued.wanted, origin=origin
        )
        for tries_left in reversed(range(_TRIES)):
            # A device that never connects, as it listens to satellites alone, must not pile them up.
            await services.devices.end_former_credentials(thing.ref, FORMER_CERTIFICATES, actor=_ACTOR)
            rows = await services.storage.device_credentials(thing.id)
            if not rows:
                raise ProvisioningRefused("The Thing was deleted meanwhile.", code="try-again")
            current = unseal_credentials(services.core.keyring, rows[0].sealed, thing.public_id.bytes)
            try:
                await services.provisioning.renew(Match(current, rows[0]), request)
            except ProvisioningRefused as refusal:
                # The same device has asked twice at once: what each is told is good.
                if refusal.code != "not-the-same-device" or not tries_left:
                    raise
            else:
                break
        return issued.told

    def answer(self, thing: Device, told: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what devices read; all of it, as their programs miss whatever is not there."""
        plan_name = str(kept_with(thing).get("plan"))
        plan = self._thingstream.plan(plan_name)
        keyring, now_ms = self._services.core.keyring, self._services.clock.now_ms()
        current, following = dynamic_keys(keyring, thing.tenant_id, plan_name, now_ms)
        answer = {
            "clientId": str(thing.public_id),
            "brokerHost": self._host,
            **told,
            "supportsMqtt": True,
            "supportsLband": plan.has_lband,
            "dynamickeys": {"current": current.to_json(), "next": following.to_json()},
            "subscriptions": [each.to_json() for each in plan.subscriptions],
        }
        if len(json.dumps(answer)) > MAX_BODY_BYTES:  # many regions, and an authority with a long key
            answer["subscriptions"] = [each.to_json(brief=True) for each in plan.subscriptions]
        return answer


def _pem(der: bytes) -> str:
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
