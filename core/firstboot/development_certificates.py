"""Certificates to try things with: an authority of one's own, and a server certificate that it vouches for."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firstboot.certificate_signing import EARLIER, key_usage
from firstboot.errors import AlreadyExists, InvalidValue

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=397)
"""No longer than browsers and phones accept."""

_HOST_NAME = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class DevelopmentFiles:
    """Where they lie."""

    directory: Path

    @property
    def authority(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def authority_key(self) -> Path:
        return self.directory / "ca.key"

    @property
    def server(self) -> Path:
        return self.directory / "server.crt"

    @property
    def server_key(self) -> Path:
        return self.directory / "server.key"


def make_certificates(files: DevelopmentFiles, hosts: Sequence[str], now: datetime | None = None) -> bool:
    """Make a server certificate for these names and addresses; make the authority too, if there is none.

    An authority that is there is kept, because devices trust it by now. Say whether it was made.

    Raises: `AlreadyExists` when a server certificate is there that this authority has not made, `InvalidValue` for
    a host that is none or an authority that cannot be read.
    """
    names = [_name_of(host) for host in hosts]
    now = now or datetime.now(UTC)
    is_new = not files.authority.exists()
    if is_new and files.server.exists():
        raise AlreadyExists(f"{files.server} is there without {files.authority}. Choose another folder.")
    files.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_new:
        authority_key = ec.generate_private_key(ec.SECP256R1())
        authority = _authority(authority_key, now)
        _write_key(files.authority_key, authority_key)
        _write(files.authority, authority.public_bytes(Encoding.PEM), 0o644)
    else:
        authority, authority_key = _read_authority(files)
        _check_own(files, authority)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _server(key, names, authority, authority_key, now)
    # A server that runs takes the two only once both are there and belong together.
    _write_key(files.server_key, key)
    _write(files.server, certificate.public_bytes(Encoding.PEM), 0o644)
    return is_new


def _name_of(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not _HOST_NAME.fullmatch(name):
        raise InvalidValue(f"{host!r} is no host name or IP address.")
    return x509.DNSName(name)


def _builder(
    subject: str, issuer: x509.Name | None, public_key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject[:64])])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    builder = _builder("Firstboot development CA", None, key.public_key(), now, AUTHORITY_LIFE)
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    names: Sequence[x509.GeneralName],
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    builder = _builder(str(names[0].value), authority.subject, key.public_key(), now, SERVER_LIFE)
    own_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _read_authority(files: DevelopmentFiles) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
        key = load_pem_private_key(files.authority_key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidValue(
            f"{files.authority} and its key cannot be read ({type(error).__name__}). Choose another folder."
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != authority.public_key():
        raise InvalidValue(f"{files.authority_key} is not the key of {files.authority}. Choose another folder.")
    return authority, key


def _check_own(files: DevelopmentFiles, authority: x509.Certificate) -> None:
    if not files.server.exists():
        return
    try:
        x509.load_pem_x509_certificate(files.server.read_bytes()).verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        raise AlreadyExists(
            f"{files.server} is not of the authority in {files.authority}. Choose another folder."
        ) from None


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    _write(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)


def _write(file: Path, content: bytes, mode: int) -> None:
    """Replace a file in one step; nobody ever sees a half of it, or with other rights."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    new.replace(file)
