"""The server's own authority for certificates of devices: made when it is first needed, its key sealed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from firstboot.clock import Clock
from firstboot.errors import InvalidValue, Unavailable
from firstboot.keyring import Keyring
from firstboot.model import Credentials
from firstboot.moments import as_datetime
from firstboot.storage import RevokedCertificate, Storage

if TYPE_CHECKING:
    from cryptography import x509

    from firstboot.certificate_signing import Authority

META_NAME = "certificate-authority"
MAX_AGE_S = 1.0
"""How long a server may go on with what another process has replaced or revoked."""
SIGN_AGAIN_MS = 3_600_000
"""How old a list of revoked certificates is served that has not changed."""

_PLACE = b"meta.certificate-authority"


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate of a device."""

    der: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    """Those that vouch for it, each DER: the authority's own first."""
    expires_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class _SignedList:
    revoked: tuple[RevokedCertificate, ...]
    signed_at_ms: int
    der: bytes


class CertificateAuthority:
    """Issues certificates and lists those that were taken back. One for the installation, in the database."""

    def __init__(self, storage: Storage, keyring: Keyring, clock: Clock) -> None:
        self._storage = storage
        self._keyring = keyring
        self._clock = clock
        self._stored: bytes | None = None
        self._authority: Authority | None = None
        self._read_at = self._listed_at = float("-inf")
        self._taken_back: tuple[RevokedCertificate, ...] = ()
        self._serials: frozenset[str] = frozenset()
        self._list: _SignedList | None = None

    # -- the authority -----------------------------------------------------------------------------

    async def certificate(self) -> str:
        """Return the authority's certificate and those above it, PEM.

        Raises: `Unavailable`.
        """
        return (await self._own()).pem

    async def install(self, certificates: str, key: str) -> None:
        """Issue with this authority from now on (PEM). What was issued before stays good for logging in.

        Raises: `InvalidValue`, `Unavailable`.
        """
        from firstboot.certificate_signing import read_authority

        authority = read_authority(certificates, key)
        if authority.certificate.not_valid_after_utc <= self._now():
            raise InvalidValue("The certificate of the authority has expired.")
        stored = await self._storage.read_meta(META_NAME)
        if not await self._write(authority, stored):
            raise Unavailable("Another process has replaced the authority at the same time. Try again.")

    # -- issuing -----------------------------------------------------------------------------------

    async def certify(
        self, public_key: bytes, *, name: str, public_id: UUID, life: timedelta
    ) -> IssuedCertificate:
        """Issue a certificate for a device's public key (SubjectPublicKeyInfo, DER).

        Raises: `InvalidValue` when the authority's own time is over, `Unavailable`.
        """
        from cryptography.hazmat.primitives.serialization import Encoding

        own = await self._own()
        made = own.certify(public_key, name=name, public_id=public_id, now=self._now(), life=life)
        return IssuedCertificate(
            made.public_bytes(Encoding.DER),
            tuple(each.public_bytes(Encoding.DER) for each in (own.certificate, *own.above)),
            round(made.not_valid_after_utc.timestamp() * 1000),
        )

    # -- taking back -------------------------------------------------------------------------------

    async def issued_among(
        self, tenant_id: int, device: UUID, credentials: Sequence[Credentials]
    ) -> tuple[RevokedCertificate, ...]:
        """Return those of a device's credentials that this authority has issued, as they are to be revoked now.

        Raises: `Unavailable`.
        """
        now_ms = self._clock.now_ms()
        found = []
        for each in credentials:
            certificate = certificate_of(each)
            if certificate is None or not await self._has_issued(certificate):
                continue
            expires_at_ms = round(certificate.not_valid_after_utc.timestamp() * 1000)
            if expires_at_ms >= now_ms:
                found.append(
                    RevokedCertificate(
                        serial=f"{certificate.serial_number:x}",
                        tenant_id=tenant_id,
                        device_public_id=device,
                        expires_at_ms=expires_at_ms,
                        revoked_at_ms=now_ms,
                    )
                )
        return tuple(found)

    async def is_revoked(self, certificate: x509.Certificate) -> bool:
        """Say whether this authority has issued a certificate and taken it back.

        Raises: `Unavailable`.
        """
        serial = f"{certificate.serial_number:x}"
        await self._revoked()
        return serial in self._serials and await self._has_issued(certificate)

    async def revocation_list(self) -> bytes:
        """Return the signed list of what was taken back, DER.

        Raises: `Unavailable`.
        """
        own = await self._own()
        revoked, now_ms = await self._revoked(), self._clock.now_ms()
        known = self._list
        # After a step of the clock backwards too: nobody takes a list from the future.
        is_fresh = known is not None and 0 <= now_ms - known.signed_at_ms < SIGN_AGAIN_MS
        if known is None or not is_fresh or known.revoked != revoked:
            der = await asyncio.to_thread(own.revocation_list, revoked, self._now())
            known = self._list = _SignedList(revoked, now_ms, der)
        return known.der

    async def _revoked(self) -> tuple[RevokedCertificate, ...]:
        monotonic = self._clock.monotonic()
        if monotonic - self._listed_at > MAX_AGE_S:
            # One list after its end names each once more (RFC 5280, 3.3).
            ended_ms = self._clock.now_ms() - 2 * SIGN_AGAIN_MS
            self._taken_back = tuple(await self._storage.revoked_certificates(ended_ms))
            self._serials = frozenset(each.serial for each in self._taken_back)
            self._listed_at = monotonic
        return self._taken_back

    async def _has_issued(self, certificate: x509.Certificate) -> bool:
        own = await self._read()
        return own is not None and own.has_issued(certificate)

    # -- the database ------------------------------------------------------------------------------

    async def _own(self) -> Authority:
        own = await self._read()
        if own is None:
            from firstboot.certificate_signing import make_authority

            await self._write(make_authority(self._now()), None)
            own = await self._read()  # perhaps that of another process, which was faster
        assert own is not None  # one of the two has written it
        return own

    async def _read(self) -> Authority | None:
        monotonic = self._clock.monotonic()
        if monotonic - self._read_at > MAX_AGE_S:
            stored = await self._storage.read_meta(META_NAME)
            if stored is not None and stored != self._stored:
                from firstboot.certificate_signing import read_authority

                self._authority = read_authority(*json.loads(self._keyring.unseal(stored, _PLACE)))
                self._list = None
            self._stored = stored
            self._read_at = monotonic
        return self._authority

    async def _write(self, authority: Authority, expected: bytes | None) -> bool:
        sealed = self._keyring.seal(json.dumps([authority.pem, authority.key_pem]), _PLACE)
        self._read_at = self._listed_at = float("-inf")
        return await self._storage.write_meta(META_NAME, sealed, expected)

    def _now(self) -> datetime:
        return as_datetime(self._clock.now_ms())


def certificate_of(credentials: Credentials) -> x509.Certificate | None:
    """Return the certificate of credentials that are one and can be read."""
    if credentials.type != "X509_CERTIFICATE" or not credentials.value:
        return None
    from cryptography import x509

    _, begin, first = credentials.value.partition("-----BEGIN CERTIFICATE-----")
    body = first.partition("-----END")[0] if begin else credentials.value
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode("".join(body.split()), validate=True))
        _ = certificate.subject, certificate.issuer  # which are read when they are asked for
    except (ValueError, TypeError, x509.InvalidVersion):  # devices may bring any text (contract PR-14)
        return None
    return certificate
