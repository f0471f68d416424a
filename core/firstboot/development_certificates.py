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
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firstboot.certificate_signing import (
    EARLIER,
    Authority,
    key_identifier,
    key_usage,
    make_authority,
    read_authority,
)
from firstboot.errors import AlreadyExists, InvalidValue

AUTHORITY_NAME = "Firstboot development CA"
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
        authority = make_authority(now, AUTHORITY_NAME)
        _write(files.authority_key, authority.key_pem.encode(), 0o600)
        _write(files.authority, authority.pem.encode(), 0o644)
    else:
        authority = _read_authority(files)
        _check_own(files, authority)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _server(key, names, authority, now)
    # A server that runs takes the two only once both are there and belong together.
    _write(files.server_key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
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


def _server(
    key: ec.EllipticCurvePrivateKey, names: Sequence[x509.GeneralName], authority: Authority, now: datetime
) -> x509.Certificate:
    name = x509.NameAttribute(NameOID.COMMON_NAME, str(names[0].value)[:64])
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([name]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + SERVER_LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(key_identifier(authority.certificate), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def _read_authority(files: DevelopmentFiles) -> Authority:
    try:
        return read_authority(files.authority.read_text(), files.authority_key.read_text())
    except (OSError, UnicodeDecodeError, InvalidValue) as error:
        reason = str(error) if isinstance(error, InvalidValue) else type(error).__name__
        raise InvalidValue(
            f"{files.authority} and its key cannot be used ({reason.rstrip('.')}). Choose another folder."
        ) from None


def _check_own(files: DevelopmentFiles, authority: Authority) -> None:
    if not files.server.exists():
        return
    try:
        is_own = authority.has_issued(x509.load_pem_x509_certificate(files.server.read_bytes()))
    except ValueError:
        is_own = False
    if not is_own:
        raise AlreadyExists(f"{files.server} is not of the authority in {files.authority}. Choose another folder.")


def _write(file: Path, content: bytes, mode: int) -> None:
    """Replace a file in one step; nobody ever sees a half of it, or with other rights."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    new.replace(file)
