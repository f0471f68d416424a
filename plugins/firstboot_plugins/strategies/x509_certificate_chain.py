"""Strategy ``x509-certificate-chain``: devices prove the profile by certificates that lead to its authority."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from firstboot.certificate_authority import certificate_of
from firstboot.clock import Clock
from firstboot.config import Config
from firstboot.errors import InvalidValue, ProfileNotProven, ProvisioningRefused
from firstboot.hookspecs import hookimpl
from firstboot.model import Credentials, DeviceProfile, ProvisioningRequest
from firstboot.moments import as_datetime
from firstboot.names import clean_name
from firstboot.profiles import compile_name_pattern
from firstboot.strategies import CreateNew, DeviceFinder, GiveNew, ProvisioningStrategy
from firstboot_plugins.strategies.authority_proof import counts
from firstboot_plugins.strategies.certificate_options import STRATEGY, CertificateOptions, authority_der

if TYPE_CHECKING:
    from cryptography import x509

FIRSTBOOT_API = 1

MAX_COMMON_NAME = 255
X509_CERTIFICATE = "X509_CERTIFICATE"


class X509CertificateChain:
    """Provision devices that have shown a certificate over TLS (ThingsBoard contract 2.10).

    The provision key of such a profile is the hash of its authority's certificate, and the secret is that
    certificate: neither is a secret. Only what TLS has proven counts.
    """

    name = STRATEGY

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()

    async def decide(
        self, name: str | None, request: ProvisioningRequest, profile: DeviceProfile, devices: DeviceFinder
    ) -> CreateNew | GiveNew:
        """Take the device's name from its certificate (PX-3), and find or make the device (PX-4, PX-5)."""
        options = CertificateOptions.of(profile)
        leaf = _proven(request, profile, options, as_datetime(self._clock.now_ms()))
        wanted = _device_name(leaf, profile, options)
        if name is not None and name != wanted:
            raise ProvisioningRefused(
                f"The device calls itself {name!r}, and its certificate {wanted!r}.", code="certificate-name"
            )
        device = await devices.find(wanted)
        if device is not None and device.profile_id == profile.id:
            return GiveNew(device, lambda current: _check_replacing(request, current, leaf, options))
        if not options.allow_create:
            raise ProvisioningRefused(
                f"Profile {profile.name!r} has no device {wanted!r}, and its certificates make none.",
                code="not-pre-provisioned",
            )
        return CreateNew(wanted)


def _proven(
    request: ProvisioningRequest, profile: DeviceProfile, options: CertificateOptions, now: datetime
) -> x509.Certificate:
    """Return the device's certificate, once it is trusted. The device learns nothing of the profile otherwise."""
    peer = request.origin.certificate
    if peer is None:
        raise ProfileNotProven(
            f"Profile {profile.name!r} provisions devices by their certificates, not by key and secret.",
            code="certificate-needed",
        )
    from firstboot_plugins.strategies.certificate_paths import (
        NotTrusted,
        check_path,
        check_signatures,
        read_authority,
        read_certificates,
    )

    try:
        der = authority_der(request.secret.reveal())
        if der is None:
            raise NotTrusted("the profile has no certificate of an authority")
        if not counts(profile, request.secret.reveal()):
            raise NotTrusted("its tenant has not proven to have the authority's key")
        shown, authority = read_certificates(peer), read_authority(der)
        if options.is_lax:
            check_signatures(shown, authority)
        else:
            check_path(shown, authority, now)
    except NotTrusted as error:
        raise ProfileNotProven(
            f"The certificate does not prove profile {profile.name!r}: {error}.", code="certificate-not-trusted"
        ) from None
    return shown[0]


def _device_name(leaf: x509.Certificate, profile: DeviceProfile, options: CertificateOptions) -> str:
    from cryptography.x509.oid import NameOID

    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    common_name = names[0].value if names else ""
    found = None
    if isinstance(common_name, str) and 0 < len(common_name) <= MAX_COMMON_NAME:
        found = compile_name_pattern(options.pattern).search(common_name)
    if not found or not found.groups() or not found.group(1):
        raise ProvisioningRefused(
            f"The pattern of profile {profile.name!r} finds no name in the certificate's common name.",
            code="certificate-name",
        )
    try:
        return clean_name(found.group(1), "device name")
    except InvalidValue as error:
        raise ProvisioningRefused(str(error), code="invalid-name") from None


def _check_replacing(
    request: ProvisioningRequest, current: Credentials, leaf: x509.Certificate, options: CertificateOptions
) -> None:
    """Refuse to replace other kinds of credentials (PX-4), and certificates by older ones: one that was replaced
    must not come back."""
    if current.type != X509_CERTIFICATE:
        raise ProvisioningRefused(
            f"The device has credentials of type {current.type}, which no certificate replaces.",
            code="not-the-same-device",
        )
    known = certificate_of(current)
    if options.is_lax or known is None:
        return
    # With its maker's certificate a device may ask for others, however new those are that it has from elsewhere.
    is_of_its_kind = request.wanted.certificate == leaf_text(leaf) or leaf.issuer == known.issuer
    if is_of_its_kind and leaf.not_valid_before_utc < known.not_valid_before_utc:
        raise ProvisioningRefused(
            "The device has a newer certificate than the one that it has shown.", code="not-the-same-device"
        )


def leaf_text(leaf: x509.Certificate) -> str:
    """Return a certificate as requests carry it: one line of base64."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return base64.b64encode(leaf.public_bytes(Encoding.DER)).decode()


@hookimpl
def firstboot_provisioning_strategies(config: Config) -> Iterable[ProvisioningStrategy]:
    """Offer `X509CertificateChain`."""
    return [X509CertificateChain()]
