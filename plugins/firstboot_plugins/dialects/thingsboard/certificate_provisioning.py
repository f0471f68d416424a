"""Provisioning requests that a client certificate may prove, and those for a certificate of the server.

A request without key and secret is ours: ThingsBoard provisions by certificate at the handshake alone, and gives
the device no answer (its issues 12131 and 10112).
"""

from __future__ import annotations

from dataclasses import replace

from firstboot.app import Services
from firstboot.logins import Match
from firstboot.model import Origin, Provisioned, ProvisioningRequest, WantedCredentials
from firstboot.secret import Secret
from firstboot_plugins.dialects.thingsboard.certificate_proof import CertificateProof, CertificateRefused
from firstboot_plugins.dialects.thingsboard.provisioning_request import X509_CERTIFICATE, X509_CSR


async def provision(services: Services, proof: CertificateProof, request: ProvisioningRequest) -> Provisioned:
    """Decide on a provisioning request: by key and secret, or where it has none by what else it proves.

    Raises: as `firstboot.provisioning.Provisioning.provision`.
    """
    peer = request.origin.certificate
    if peer is not None and await proof.was_revoked(peer):
        # Also where key and secret name the profile: those of a profile of certificates are public.
        peer, request = None, replace(request, origin=replace(request.origin, certificate=None))
    if request.key or request.secret or (peer is None and request.wanted.type != X509_CSR):
        return await services.provisioning.provision(request)
    if request.wanted.type == X509_CSR:
        match = await _renewing(services, proof, request)
        if match is not None:
            wanted = WantedCredentials(type=X509_CSR, certificate=request.wanted.certificate)
            return await services.provisioning.renew(match, replace(request, wanted=wanted))
    if peer is not None:
        request = await proof.request(peer, request)
    return await services.provisioning.provision(request)


async def _renewing(services: Services, proof: CertificateProof, request: ProvisioningRequest) -> Match | None:
    """Return the device that sends a request for a certificate and proves itself with what it has."""
    from firstboot_plugins.dialects.thingsboard.login import match_of

    if request.origin.certificate is not None:
        try:
            match = await proof.device(request.origin.certificate)
        except CertificateRefused:
            match = None
        if match is not None:
            return match
    wanted = request.wanted
    if wanted.token:
        return await match_of(services.logins, "", wanted.token, "")
    return await match_of(services.logins, wanted.client_id or "", wanted.username or "", wanted.password or "")


def chain_request(origin: Origin) -> ProvisioningRequest:
    """Return the request that a login with a certificate makes, which is on no device's record (PX-2)."""
    return ProvisioningRequest(
        key="",
        secret=Secret(""),
        device_name=None,
        wanted=WantedCredentials(type=X509_CERTIFICATE),
        origin=origin,
    )
