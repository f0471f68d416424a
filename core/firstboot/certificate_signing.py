"""What an authority of certificates signs: itself, certificates of devices, and what it takes back.

Imported when the first certificate is needed: a server without them does without the memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firstboot.errors import InvalidValue
from firstboot.moments import as_datetime
from firstboot.storage import RevokedCertificate

AUTHORITY_LIFE = timedelta(days=3650)
NEXT_LIST = timedelta(days=1)
"""How long a list of revoked certificates is good."""
MAX_PEM_LENGTH = 65_536
EARLIER = timedelta(hours=1)
"""Certificates are good from an hour ago on: the clocks of devices are never quite right."""
_MIN_RSA_BITS = 2048
_MAX_COMMON_NAME = 64
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

AuthorityKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that vouches for others, with its key."""

    certificate: x509.Certificate
    key: AuthorityKey = field(repr=False)
    above: tuple[x509.Certificate, ...] = ()
    """Certificates that vouch for this one."""

    @property
    def pem(self) -> str:
        """The certificate and those above it."""
        return "".join(pem_of(each) for each in (self.certificate, *self.above))

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def has_issued(self, certificate: x509.Certificate) -> bool:
        """Say whether a certificate is really from this authority."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except Exception:  # another name, another key, an algorithm that does not fit: it is not ours
            return False
        return True

    def certify(
        self, public_key: bytes, *, name: str, public_id: UUID, now: datetime, life: timedelta
    ) -> x509.Certificate:
        """Return a certificate of a device for its public key (SubjectPublicKeyInfo, DER).

        Raises: `InvalidValue` when the authority's own time is over.
        """
        until = min(now + life, self.certificate.not_valid_after_utc)
        if until <= now:
            raise InvalidValue("The certificate of the authority has expired.")
        # X.520 allows 64 characters; the id is in the alternative name in any case.
        shown = name if len(name.encode()) <= _MAX_COMMON_NAME else str(public_id)
        identity = x509.UniformResourceIdentifier(f"urn:uuid:{public_id}")
        key = load_der_public_key(public_key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shown)]))
            .issuer_name(self.certificate.subject)
            .public_key(key)  # type: ignore[arg-type]  # whoever checked the request has seen to its kind
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - EARLIER, self.certificate.not_valid_before_utc))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([identity]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)  # type: ignore[arg-type]
            .add_extension(key_identifier(self.certificate), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256())

    def revocation_list(self, revoked: Iterable[RevokedCertificate], now: datetime) -> bytes:
        """Return the signed list of revoked certificates (RFC 5280), DER."""
        # All at once: to add them one by one takes time that grows with the square of their number.
        entries = [
            x509.RevokedCertificateBuilder()
            .serial_number(int(each.serial, 16))
            .revocation_date(as_datetime(each.revoked_at_ms))
            .build()
            for each in revoked
        ]
        builder = (
            x509.CertificateRevocationListBuilder(revoked_certificates=entries)
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(now + NEXT_LIST)
            .add_extension(key_identifier(self.certificate), critical=False)
            # It has to grow; the moment does, without a counter that servers would have to share.
            .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def make_authority(now: datetime, name: str | None = None) -> Authority:
    """Make an authority that nobody else vouches for; without a name it gets one that no other has."""
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    shown = name or f"Firstboot device authority {serial:x}"[:40]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shown)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def read_authority(certificates: str, key: str) -> Authority:
    """Read an authority from PEM: its certificate first, then those above it; and its key, without a passphrase.

    Raises: `InvalidValue` for what cannot be read, or may not vouch for devices.
    """
    if len(certificates) > MAX_PEM_LENGTH or len(key) > MAX_PEM_LENGTH:
        raise InvalidValue("The certificates or the key are too long.")
    try:
        blocks = _CERTIFICATE.findall(certificates)
        first, *above = [x509.load_pem_x509_certificate(block.encode()) for block in blocks]
    except (ValueError, x509.InvalidVersion):
        raise InvalidValue("The certificate of the authority cannot be read. Give PEM, its own first.") from None
    try:
        private = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        raise InvalidValue("The key of the authority cannot be read. Give PEM without a passphrase.") from None
    if not isinstance(private, AuthorityKey) or (
        isinstance(private, rsa.RSAPrivateKey) and private.key_size < _MIN_RSA_BITS
    ):
        raise InvalidValue("Give an authority with a key of EC P-256 or P-384, or RSA from 2048 bits.")
    if _public(private.public_key()) != _public(first.public_key()):
        raise InvalidValue("The key is not that of the first certificate.")
    if not _may_sign(first):
        raise InvalidValue("The certificate is of no authority: it may not sign certificates and lists.")
    return Authority(first, private, tuple(above))


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        extensions = certificate.extensions
        if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return usage.key_cert_sign and usage.crl_sign


def _public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return encoded


def key_identifier(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Return the extension that says which key has signed a certificate."""
    try:
        own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    """Return the extension that says what the key of a certificate is for."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
