"""Whether the certificates that a device has shown lead to a profile's authority (threat PV-11).

Imported with the first such device: a server without them does without the memory.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from firstboot.model import PeerCertificate
from firstboot_plugins.credentials.certificate_keys import is_good_key
from firstboot_plugins.strategies.certificate_options import MAX_CERTIFICATES

MAX_BYTES = 16_384
_MAX_RSA_BITS = 8192
_UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)


class NotTrusted(Exception):
    """The certificates do not lead to the authority; the message says why, for operators."""


def read_certificates(peer: PeerCertificate) -> list[x509.Certificate]:
    """Return what the device has shown, in its order, its own first.

    Raises: `NotTrusted` for too many, too long or unreadable ones.
    """
    shown = (peer.der, *peer.chain)
    if len(shown) > MAX_CERTIFICATES or sum(map(len, shown)) > MAX_BYTES:
        raise NotTrusted(f"more than {MAX_CERTIFICATES} certificates, or than {MAX_BYTES} bytes of them")
    return [_read(der) for der in shown]


def read_authority(der: bytes) -> x509.Certificate:
    """Return the certificate of a profile.

    Raises: `NotTrusted`.
    """
    return _read(der)


def check_path(shown: list[x509.Certificate], authority: x509.Certificate, now: datetime) -> None:
    """Check that the first of the certificates is good now, and vouched for by the authority (RFC 5280).

    The order of the others does not matter, and the authority's own need not be among them.

    Raises: `NotTrusted`.
    """
    leaf, *others = shown
    # Before anything is tried with them.
    _check_key(leaf)
    others = [each for each in others if has_good_key(each)]
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store([authority]))
        .time(now)
        .max_chain_depth(MAX_CERTIFICATES - 2)  # between the first and the last one
        .extension_policies(ca_policy=_AUTHORITIES, ee_policy=_DEVICES)
        .build_client_verifier()
    )
    try:
        path = verifier.verify(leaf, others).chain
    except verification.VerificationError as error:
        raise NotTrusted(_reason(error)) from None
    except _UNREADABLE as error:
        raise NotTrusted(f"a certificate that cannot be judged ({type(error).__name__})") from None
    for each in path:
        _check_key(each)


def check_signatures(shown: list[x509.Certificate], authority: x509.Certificate) -> None:
    """Check only what ThingsBoard checks (contract PX-1): that each certificate is signed with the key
    of the next one, up to the authority's own, which must be among them.

    Raises: `NotTrusted`.
    """
    for number, each in enumerate(shown):
        if each == authority:
            return
        issuer = shown[number + 1] if number + 1 < len(shown) else None
        if issuer is None or not is_signed_by(each, issuer):
            raise NotTrusted(f"certificate {number + 1} is not signed by the next one")
    raise NotTrusted("the profile's certificate is not among them")


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Say whether the names fit, and the signature the key."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError, *_UNREADABLE):
        return False
    return True


def _read(der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        # They are read when they are asked for, and TLS takes some that cannot be.
        _ = certificate.subject, certificate.issuer
    except (TypeError, *_UNREADABLE):
        raise NotTrusted("a certificate that cannot be read") from None
    return certificate


def has_good_key(certificate: x509.Certificate) -> bool:
    """Say whether anything that the certificate's key has signed should be looked at."""
    try:
        return is_good_key(certificate.public_key(), _MAX_RSA_BITS)
    except _UNREADABLE:
        return False


def _check_key(certificate: x509.Certificate) -> None:
    if not has_good_key(certificate):
        raise NotTrusted("a key that is neither RSA from 2048 bits nor EC from P-256")


def _reason(error: Exception) -> str:
    # What follows quotes the certificate, and with it what the device has written there.
    return str(error).partition(" (encountered")[0][:200]


# -- what extensions must say ----------------------------------------------------------------------


def _is_authority(
    policy: verification.Policy, certificate: x509.Certificate, found: x509.BasicConstraints
) -> None:
    if not found.ca:
        raise ValueError("a certificate that is no authority vouches for another")


def _may_sign(policy: verification.Policy, certificate: x509.Certificate, found: x509.KeyUsage | None) -> None:
    if found is not None and not found.key_cert_sign:
        raise ValueError("a certificate may not vouch for others")


def _is_device(
    policy: verification.Policy, certificate: x509.Certificate, found: x509.BasicConstraints | None
) -> None:
    if found is not None and found.ca:
        raise ValueError("an authority's certificate is no device's")


def _may_prove(policy: verification.Policy, certificate: x509.Certificate, found: x509.KeyUsage | None) -> None:
    if found is not None and not found.digital_signature:
        raise ValueError("the device's key may not sign")


def _is_for_clients(
    policy: verification.Policy, certificate: x509.Certificate, found: x509.ExtendedKeyUsage | None
) -> None:
    allowed = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if found is not None and allowed.isdisjoint(found):
        raise ValueError("the device's certificate is not for clients")


_ANYWHERE = verification.Criticality.AGNOSTIC
_AUTHORITIES = (
    verification.ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, _ANYWHERE, _is_authority)
    .may_be_present(x509.KeyUsage, _ANYWHERE, _may_sign)
)
_DEVICES = (
    verification.ExtensionPolicy.permit_all()
    .may_be_present(x509.BasicConstraints, _ANYWHERE, _is_device)
    .may_be_present(x509.KeyUsage, _ANYWHERE, _may_prove)
    .may_be_present(x509.ExtendedKeyUsage, _ANYWHERE, _is_for_clients)
)
