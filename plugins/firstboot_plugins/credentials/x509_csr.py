"""Certificates that the server issues: a device sends a request for one, and its key never leaves it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from firstboot.certificate_authority import IssuedCertificate, certificate_of
from firstboot.config import Config, TimeLimit
from firstboot.credentials import Holder, NamedCredentialGenerator
from firstboot.errors import InvalidValue, ProvisioningRefused
from firstboot.hookspecs import hookimpl
from firstboot.model import Credentials, WantedCredentials
from firstboot.moments import as_datetime
from firstboot_plugins.credentials.lookup_ids import certificate_hash
from firstboot_plugins.strategies.certificate_options import CertificateOptions

if TYPE_CHECKING:
    import typer
    from cryptography import x509

FIRSTBOOT_API = 1


@dataclass(frozen=True, kw_only=True)
class X509CsrConfig:
    """Section ``[x509_csr]``: certificates that the server's own authority issues. Profiles may say otherwise."""

    life: TimeLimit = timedelta(days=365)
    """How long a certificate is good."""

    renewal: TimeLimit = timedelta(days=90)
    """How long before its end a device may renew it; at most half of its life."""


class X509Csr:
    """Answers ``X509_CSR`` with an ``X509_CERTIFICATE``: the chain as PEM, the device's own certificate first."""

    type = "X509_CSR"
    makes = "X509_CERTIFICATE"

    def __init__(self, config: X509CsrConfig) -> None:
        self._config = config

    async def issue_to(self, wanted: WantedCredentials, holder: Holder) -> Credentials:
        """Certify the key of the request, with the name that the device has on the server.

        A device that sends the request of its present certificate once more, because it has not got the answer,
        gets that one again.
        """
        from firstboot_plugins.credentials.certificate_requests import BadRequest, public_key_of

        try:
            public_key = public_key_of(wanted.certificate or "")
        except BadRequest as error:
            raise ProvisioningRefused(str(error), code="bad-credentials-request") from None
        options = CertificateOptions.of(holder.profile)
        life = options.life or self._config.life
        renewal = min(options.renewal or self._config.renewal, life / 2)
        now = as_datetime(holder.now_ms)
        current = _issued(holder.current, holder)
        if current is not None and now < current.not_valid_after_utc - renewal and _is_of(current, public_key):
            assert holder.current is not None  # of which it is the certificate
            return holder.current
        proof = _issued(holder.proven_with, holder)
        if proof is not None and now < proof.not_valid_after_utc - renewal:
            raise ProvisioningRefused(
                f"The certificate of {holder.name!r} can be renewed from "
                f"{proof.not_valid_after_utc - renewal:%Y-%m-%d %H:%M} UTC on.",
                code="too-early",
            )
        try:
            return _credentials(self.makes, await holder.certify(public_key, life))
        except InvalidValue as error:
            raise ProvisioningRefused(str(error), code="unavailable") from None

    def issue(self, wanted: WantedCredentials) -> NoReturn:
        """Refuse: nobody is known whose name the certificate could have."""
        raise ProvisioningRefused(
            "A certificate is issued only to a device that provisions itself or renews its credentials.",
            code="bad-credentials-request",
        )

    def renew(self, current: Credentials) -> NoReturn:
        """Refuse: the device must send a request."""
        raise ProvisioningRefused(
            "A certificate cannot be replaced by the server alone; the device must send a request.",
            code="cannot-rotate",
        )

    def reveal(self, credentials: Credentials) -> str:
        """Return the chain as PEM."""
        return credentials.value or ""


def _issued(credentials: Credentials | None, holder: Holder) -> x509.Certificate | None:
    """Return the certificate of credentials, if it was issued here: such a one has the device's id in it."""
    certificate = certificate_of(credentials) if credentials is not None else None
    if certificate is None:
        return None
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        identities = names.get_values_for_type(x509.UniformResourceIdentifier)
    except Exception:  # a device may have brought any certificate, and readers refuse some in ways of their own
        return None
    return certificate if f"urn:uuid:{holder.public_id}" in identities else None


def _is_of(certificate: x509.Certificate, public_key: bytes) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        own = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    return own.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == public_key


def _credentials(type_: str, issued: IssuedCertificate) -> Credentials:
    leaf, *others = (base64.b64encode(der).decode() for der in (issued.der, *issued.chain))
    return Credentials(type_, certificate_hash(leaf), "".join(map(_pem, (leaf, *others))))


def _pem(text: str) -> str:
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


@hookimpl
def firstboot_cli_commands() -> Mapping[str, typer.Typer]:
    from firstboot_plugins.credentials.authority_commands import app

    return {"ca": app}


@hookimpl
def firstboot_config_sections() -> Mapping[str, type]:
    return {"x509_csr": X509CsrConfig}


@hookimpl
def firstboot_credential_generators(config: Config) -> Iterable[NamedCredentialGenerator]:
    """Offer `X509Csr`."""
    return [X509Csr(config.section(X509CsrConfig))]
