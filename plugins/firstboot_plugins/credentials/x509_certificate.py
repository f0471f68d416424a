"""X.509 certificates that devices bring (ThingsBoard contract PR-14, 2.5)."""

from __future__ import annotations

from collections.abc import Iterable

from firstboot.config import Config
from firstboot.credentials import CredentialGenerator
from firstboot.errors import ProvisioningRefused
from firstboot.hookspecs import hookimpl
from firstboot.model import Credentials, WantedCredentials
from firstboot_plugins.credentials.lookup_ids import chain_hash, normalise_chain

FIRSTBOOT_API = 1


class X509Certificates:
    """Checks ``X509_CERTIFICATE``: the look-up id is the certificate's hash, the value its one-line base64.

    Of a chain in PEM the first certificate counts, which is the device's own; the value is the chain. ThingsBoard
    stores a hash that no login reaches.

    The text is not parsed, as the contract has it: TLS proves the certificate at each login, and a text
    that is none matches no login.
    """

    type = "X509_CERTIFICATE"

    def issue(self, wanted: WantedCredentials) -> Credentials:
        """Take the certificate that the device brought; only the device can make one, as it has the key."""
        if not wanted.given:
            raise ProvisioningRefused(
                "The device wants to log in with a certificate and brought none.", code="bad-credentials-request"
            )
        text = normalise_chain(wanted.certificate or "")
        return Credentials(self.type, chain_hash(text), text)

    def renew(self, current: Credentials) -> Credentials:
        """Refuse: the device must bring its next certificate."""
        raise ProvisioningRefused(
            "A certificate cannot be replaced by the server; the device must send its next one.",
            code="cannot-rotate",
        )

    def reveal(self, credentials: Credentials) -> str:
        """Return the certificate as one line of base64, or the chain as PEM."""
        return credentials.value or ""


@hookimpl
def firstboot_credential_generators(config: Config) -> Iterable[CredentialGenerator]:
    """Offer `X509Certificates`."""
    return [X509Certificates()]
