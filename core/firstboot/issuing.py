"""Making, renewing and telling credentials, with whatever plugin knows their type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from firstboot.certificate_authority import CertificateAuthority, IssuedCertificate
from firstboot.clock import Clock
from firstboot.credentials import CredentialGenerator, Holder, NamedCredentialGenerator
from firstboot.errors import ProvisioningRefused
from firstboot.model import Credentials, DeviceProfile, WantedCredentials
from firstboot.mqtt_passwords import readable_value
from firstboot.offered import Offered


class Issuing:
    """Asks the credential generators."""

    def __init__(self, generators: Mapping[str, Offered], authority: CertificateAuthority, clock: Clock) -> None:
        self.generators = generators
        self._authority = authority
        self._clock = clock

    async def issue(self, wanted: WantedCredentials, holder: Holder) -> Credentials:
        """Take the credentials that a device brings, or make some.

        Raises: `ProvisioningRefused`.
        """
        offered = self.generators.get(wanted.type)
        if offered is None:
            raise ProvisioningRefused(
                f"No plugin makes credentials of type {wanted.type!r}.", code="bad-credentials-request"
            )
        if self.are_named(wanted.type):
            named: NamedCredentialGenerator = offered.object
            issued = await offered.ask(lambda: named.issue_to(wanted, holder))
            return offered.usable_credentials(named.makes, issued)
        generator: CredentialGenerator = offered.object
        return offered.usable_credentials(wanted.type, await offered.ask(lambda: generator.issue(wanted)))

    async def renew(self, current: Credentials) -> Credentials:
        """Make others of the same type.

        Raises: `ProvisioningRefused` (``cannot-rotate``).
        """
        offered = self.generators.get(current.type)
        if offered is None:
            raise ProvisioningRefused(
                f"No plugin makes credentials of type {current.type!r}.", code="cannot-rotate"
            )
        generator: CredentialGenerator = offered.object
        return offered.usable_credentials(current.type, await offered.ask(lambda: generator.renew(current)))

    def are_named(self, type_: str) -> bool:
        """Say whether such credentials are made for one device, so that no others are the same."""
        offered = self.generators.get(type_)
        return offered is not None and callable(getattr(offered.object, "issue_to", None))

    def reveal(self, credentials: Credentials) -> Any:
        """Return what a device is told of its credentials: JSON text or object.

        Raises: `ProvisioningRefused` (``cannot-be-told``, ``plugin-error``).
        """
        offered = self.generators.get(credentials.type)
        if offered is None:  # handed out, but their plugin is not loaded any more
            return credentials.told or readable_value(credentials)
        generator: CredentialGenerator = offered.object
        return offered.ask_at_once(lambda: generator.reveal(credentials))

    def holder(
        self,
        name: str,
        public_id: UUID,
        profile: DeviceProfile,
        *,
        current: Credentials | None = None,
        proven_with: Credentials | None = None,
    ) -> Holder:
        """Return the device for which credentials are made; see `Holder`."""

        async def certify(public_key: bytes, life: timedelta) -> IssuedCertificate:
            return await self._authority.certify(public_key, name=name, public_id=public_id, life=life)

        return Holder(
            name=name,
            public_id=public_id,
            profile=profile,
            current=current,
            proven_with=proven_with,
            now_ms=self._clock.now_ms(),
            certify=certify,
        )
