"""Which device an MQTT CONNECT over mutual TLS proves (contract 3.4, 2.10)."""

from __future__ import annotations

from firstboot.app import Services
from firstboot.errors import Refused
from firstboot.logins import Match
from firstboot.model import Origin
from firstboot_plugins.dialects.thingsboard.certificate_proof import CertificateProof, CertificateRefused
from firstboot_plugins.dialects.thingsboard.certificate_provisioning import chain_request, provision
from firstboot_plugins.transports.mqtt.dialect import ConnectRefused

V3_REFUSED, V5_REFUSED = 5, 0x87


async def log_in_by_certificate(origin: Origin, services: Services, proof: CertificateProof) -> Match:
    """Return the device whose credentials are the client's certificate.

    One that no device has may be vouched for by the authority of a profile; then the device gets it as its
    credentials, and is made if there is none (PX-2 to PX-5). That happens with the CONNECT, not before.

    Raises: `ConnectRefused` with the codes of contract 3.3; `firstboot.errors.Unavailable`.
    """
    peer = origin.certificate
    assert peer is not None  # the caller has looked
    try:
        match = await proof.device(peer)
        if match is None:
            await provision(services, proof, chain_request(origin))
            match = await proof.device(peer)
    except CertificateRefused as error:
        raise ConnectRefused(V3_REFUSED, V5_REFUSED, code=error.code, reason=str(error)) from None
    except Refused as error:  # reported already
        raise ConnectRefused(V3_REFUSED, V5_REFUSED, error.delay_s) from None
    if match is None:
        raise ConnectRefused(V3_REFUSED, V5_REFUSED, reason="the certificate was replaced again")
    return match
