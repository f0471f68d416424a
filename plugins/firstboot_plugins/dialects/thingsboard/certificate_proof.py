"""Which device, or which profile, a client certificate proves (contract 2.10, 3.4)."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from firstboot.app import Services
from firstboot.logins import Match
from firstboot.model import (
    DeviceProfile,
    PeerCertificate,
    ProvisioningRequest,
)
from firstboot.moments import as_datetime
from firstboot.secret import Secret
from firstboot_plugins.credentials.lookup_ids import certificate_hash
from firstboot_plugins.dialects.thingsboard.config import ThingsBoardConfig
from firstboot_plugins.dialects.thingsboard.provisioning_request import X509_CERTIFICATE
from firstboot_plugins.strategies.authority_proof import counts
from firstboot_plugins.strategies.certificate_options import (
    MAX_CERTIFICATES,
    STRATEGY,
    CertificateOptions,
    authority_der,
)

if TYPE_CHECKING:
    from cryptography import x509

MAX_PROFILES_TRIED = 16
"""Profiles with authorities of one name whose key is tried; such a name is chosen by the device."""


class CertificateRefused(Exception):
    """A client certificate opens nothing; the message says why, for operators."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CertificateProof:
    """Finds the device, or the profile, that a client certificate proves."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._skips_dates = services.config.section(ThingsBoardConfig).skip_validity_check_for_client_cert
        self._authorities: dict[int, tuple[DeviceProfile, x509.Certificate | None]] = {}
        """Certificates of profiles as they were read, with the profile as it was then; None for those that do not
        count."""

    # -- devices -----------------------------------------------------------------------------------

    async def device(self, peer: PeerCertificate) -> Match | None:
        """Return the device whose credentials are this certificate, None when there is none.

        Raises: `CertificateRefused` for one that is not good now, `firstboot.errors.Unavailable`.
        """
        self._check_dates(peer)
        own_id = hash_of(peer.der)
        match = (await self._services.logins.find(own_id)).get(own_id)
        return match if match is not None and match.credentials.type == X509_CERTIFICATE else None

    def _check_dates(self, peer: PeerCertificate) -> None:
        from cryptography import x509

        try:
            leaf = x509.load_der_x509_certificate(peer.der)
        except (ValueError, x509.InvalidVersion):
            raise CertificateRefused("certificate-not-trusted", "the client certificate cannot be read") from None
        now = as_datetime(self._services.clock.now_ms())
        if self._skips_dates or leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
            return
        state = "has expired" if now > leaf.not_valid_after_utc else "is not valid yet"
        raise CertificateRefused("certificate-not-trusted", f"the client certificate {state}")

    async def was_revoked(self, peer: PeerCertificate) -> bool:
        """Say whether this server has issued the certificate and taken it back.

        Raises: `firstboot.errors.Unavailable`.
        """
        from cryptography import x509

        try:
            leaf = x509.load_der_x509_certificate(peer.der)
        except (ValueError, x509.InvalidVersion):  # nothing that is issued here
            return False
        return await self._services.certificates.is_revoked(leaf)

    # -- profiles ----------------------------------------------------------------------------------

    async def request(self, peer: PeerCertificate, request: ProvisioningRequest) -> ProvisioningRequest:
        """Return the request with the proof of the profile whose authority has vouched for the certificate.

        Without one, it is returned as it is, and proves nothing.

        Raises: `firstboot.errors.Unavailable`.
        """
        profile = await self._profile(peer)
        secret = None if profile is None else self._services.profiles.reveal_secret(profile)
        if profile is None or secret is None:
            return replace(request, key=hash_of(peer.der), secret=Secret(""))
        wanted = request.wanted
        if not wanted.given and wanted.type == X509_CERTIFICATE:
            wanted = replace(wanted, certificate=_text(peer.der))
        return replace(request, key=profile.provision_key or "", secret=secret, wanted=wanted)

    async def _profile(self, peer: PeerCertificate) -> DeviceProfile | None:
        """Return the profile of the first certificate that is the authority of one (PX-2), or is from one."""
        shown = (peer.der, *peer.chain)
        if len(shown) > MAX_CERTIFICATES:
            return None
        directory = self._services.profile_directory
        ids = [hash_of(der) for der in shown]
        devices = await self._services.logins.find(*ids)
        for id_ in ids:
            if id_ in devices and id_ != ids[0]:
                return None  # PX-2: the search ends at a certificate that is some device's
            profile = directory.find(id_)
            # One that does not count must not stop the search either: it may be there to do just that.
            if profile is not None and self._authority(profile) is not None:
                return profile
        return self._issuer(shown)

    def _issuer(self, shown: tuple[bytes, ...]) -> DeviceProfile | None:
        """Return the profile whose authority has issued one of the certificates and is not among them.

        Most TLS clients leave out the last certificate of a chain, as the server is to have it.
        """
        from firstboot_plugins.strategies.certificate_paths import (
            NotTrusted,
            has_good_key,
            is_signed_by,
            read_authority,
        )

        try:
            certificates = [read_authority(each) for each in shown]
        except NotTrusted:
            return None
        tried = 0
        for profile in self._services.profile_directory.all():
            if CertificateOptions.of(profile).is_lax:
                continue
            authority = self._authority(profile)
            if authority is None or not has_good_key(authority):
                continue
            for each in certificates:
                if each.issuer == authority.subject and tried < MAX_PROFILES_TRIED:
                    tried += 1
                    if is_signed_by(each, authority):
                        return profile
        return None

    def _authority(self, profile: DeviceProfile) -> x509.Certificate | None:
        from firstboot_plugins.strategies.certificate_paths import NotTrusted, read_authority

        known = self._authorities.get(profile.id)
        if known is None or known[0] != profile:
            known = profile, None
            secret = self._services.profiles.reveal_secret(profile) if profile.strategy == STRATEGY else None
            der = None if secret is None else authority_der(secret.reveal())
            if secret is not None and der is not None and counts(profile, secret.reveal()):
                with suppress(NotTrusted):
                    known = profile, read_authority(der)
            self._authorities[profile.id] = known
        return known[1]


def hash_of(der: bytes) -> str:
    """Return the look-up id of a certificate."""
    return certificate_hash(_text(der))


def _text(der: bytes) -> str:
    return base64.b64encode(der).decode()
