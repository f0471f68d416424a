"""Which device a CoAP request is from: by the token in its path, or over DTLS by certificate (contract 3.5)."""

from __future__ import annotations

import asyncio

from firstboot.app import Services
from firstboot.model import DeviceRef, Origin
from firstboot_plugins.dialects.thingsboard.certificate_proof import CertificateProof, CertificateRefused
from firstboot_plugins.dialects.thingsboard.device_requests import device_of_token
from firstboot_plugins.transports.coap.resources import Request


class CoapLogin:
    """Finds the device of each request anew: what was revoked meanwhile opens nothing."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._proof = CertificateProof(services)

    async def device(self, request: Request) -> DeviceRef | None:
        """Return the device, and record its login; None, a little later, when the request proves none.

        Raises: `firstboot.errors.Unavailable`.
        """
        if "token" not in request.path and request.certificate is None:
            return None
        code, reason = "bad-credentials", "no device has this access token or certificate"
        try:
            device = await self._look_up(request)
        except CertificateRefused as error:
            device, code, reason = None, error.code, str(error)
        if device is None:
            await asyncio.sleep(self._services.logins.refused(origin_of(request), code, reason))
        return device

    async def _look_up(self, request: Request) -> DeviceRef | None:
        token = request.path.get("token")
        if token is not None:
            return await device_of_token(self._services, token)
        assert request.certificate is not None  # one of the two is there
        match = await self._proof.device(request.certificate)
        if match is None:
            return None
        await self._services.logins.record(match)
        return match.found.device


def origin_of(request: Request) -> Origin:
    """Return where a request came from, and what its sender has proven with."""
    return Origin(
        transport="coap", dialect="thingsboard", address=request.address, certificate=request.certificate
    )
