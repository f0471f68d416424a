"""Strategy ``x509-certificate-chain``: devices prove the profile by a certificate that its CA has signed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from firstboot.config import Config
from firstboot.errors import ProfileNotProven
from firstboot.hookspecs import hookimpl
from firstboot.model import DeviceProfile, ProvisioningRequest
from firstboot.strategies import DeviceFinder, ProvisioningStrategy

FIRSTBOOT_API = 1


class X509CertificateChain:
    """Provision by TLS login only (ThingsBoard contract PR-6, ``X509_CERTIFICATE_CHAIN``).

    The provision key of such a profile is the hash of its CA certificate, and the secret is the certificate:
    neither is a secret. So a request that carries them proves nothing.
    """

    name = "x509-certificate-chain"

    def decide(
        self, name: str | None, request: ProvisioningRequest, profile: DeviceProfile, devices: DeviceFinder
    ) -> NoReturn:
        """Refuse at once, as if the profile did not exist (contract section 7)."""
        raise ProfileNotProven(
            f"Profile {profile.name!r} provisions devices by their certificates, not by key and secret.",
            code="certificate-needed",
        )


@hookimpl
def firstboot_provisioning_strategies(config: Config) -> Iterable[ProvisioningStrategy]:
    """Offer `X509CertificateChain`."""
    return [X509CertificateChain()]
