"""A device's own key and certificate. The key is made on the device, and never leaves it."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from first_boot import store

LIFE = datetime.timedelta(days=20 * 365)
"""Nobody renews the certificate of a meter in a cellar; revoke it on the server instead."""


def own_certificate(name: str, key_file: Path, certificate_file: Path) -> str:
    """Return the device's certificate as PEM; it is made if there is none yet."""
    # Kept before the server hears of it: if the power fails meanwhile, the next boot sends the same one.
    if not certificate_file.exists() or not key_file.exists():
        _make(name, key_file, certificate_file)
    return certificate_file.read_text("ascii")


def own_request(name: str, key_file: Path) -> str:
    """Return a request for a certificate as PEM; the key is made if there is none yet."""
    if not key_file.exists():
        _new_key(key_file)
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # as it was made
    # The server puts its own name for the device into the certificate, whatever stands here.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _new_key(key_file: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    store(
        key_file,
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    return key


def _make(name: str, key_file: Path, certificate_file: Path) -> None:
    key = _new_key(key_file)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # the clocks of new devices are often wrong
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    store(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
