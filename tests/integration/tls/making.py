"""Certificates of every kind, good and bad, for the tests of TLS."""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_serials = itertools.count(1000)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def costly_key() -> rsa.RSAPrivateKey:
    """Return a key whose public exponent is as long as its modulus: to check it takes as long as to sign."""
    known = rsa.generate_private_key(65537, 2048).private_numbers()
    p, q = known.p, known.q
    phi = (p - 1) * (q - 1)
    e = 2
    while math.gcd(e, phi) != 1:
        e = secrets.randbits(2000) | 1 << 1999 | 1
    d = pow(e, -1, phi)
    parts = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *parts, rsa.RSAPublicNumbers(e, p * q)).private_key()


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, and those above it."""

    certificate: x509.Certificate
    key: Key
    above: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.above))

    def key_pem(self, passphrase: bytes | None = None) -> bytes:
        lock: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)

    def write(self, directory: Path, name: str = "server") -> tuple[Path, Path]:
        """Write certificate and key, as an operator should; return the paths."""
        directory.mkdir(exist_ok=True)
        cert, key = directory / f"{name}.crt", directory / f"{name}.key"
        cert.write_bytes(self.pem)
        key.touch(mode=0o600)
        key.write_bytes(self.key_pem())
        return cert, key


def issue(
    name: str = "device",
    *,
    by: Identity | None = None,
    hosts: Sequence[str] = (),
    days: tuple[float, float] = (-1, 90),
    key: Key | None = None,
    is_ca: bool = False,
    subject: x509.Name | None = None,
) -> Identity:
    """Make a certificate, self-signed unless ``by`` somebody; ``days`` from now on are its dates.

    Its ``subject`` is the name alone where nothing else is said.
    """
    key = key or new_key()
    subject = subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(next(_serials))
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(h) for h in hosts]), critical=False
        )
    return Identity(builder.sign(by.key if by else key, hashes.SHA256()), key)


def authority(name: str = "test CA") -> Identity:
    return issue(name, is_ca=True, days=(-1, 3650))
