"""Reading the files of ``[tls]``, and saying what is wrong with them before anybody connects (threat SE-8)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firstboot.config import TlsConfig
from firstboot.errors import Problem
from firstboot.tls_settings import pairs_of

MAX_FILE_SIZE = 1_048_576
KeyOfServer = EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey | Ed448PrivateKey


class NotUsable(Exception):
    """Files that cannot be served with; ``problem`` says which, why and what to do."""

    def __init__(self, path: str, what: str, remedy: str) -> None:
        self.problem = Problem(path, what, remedy)
        super().__init__(str(self.problem))


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate that belongs to its key, with those that vouch for it."""

    setting: str
    """Where it was named: ``tls`` or ``tls.site.0``."""
    file: Path
    chain: tuple[x509.Certificate, ...]
    """Its own certificate first."""
    key: KeyOfServer = field(repr=False)

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def expires_at(self) -> datetime:
        return self.leaf.not_valid_after_utc

    @property
    def names(self) -> tuple[str, ...]:
        """The host names that it is good for, in lower case; ``*.`` begins those of a wildcard."""
        try:
            extension = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (x509.ExtensionNotFound, ValueError):
            return ()
        return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """All that ``[tls]`` names, read at one moment."""

    certificates: tuple[ServerCertificate, ...]
    """That of ``tls.cert`` first, then those of the sites."""
    client_ca: tuple[x509.Certificate, ...]


def read_files(config: TlsConfig, now: datetime) -> tuple[TlsFiles, list[Problem]]:
    """Read everything; what cannot be used is missing in the result and named in the problems."""
    problems: list[Problem] = []
    certificates: list[ServerCertificate] = []
    for setting, cert, key in pairs_of(config):
        try:
            certificates.append(_read_pair(setting, cert, key, now))
        except NotUsable as error:
            problems.append(error.problem)
    client_ca: tuple[x509.Certificate, ...] = ()
    try:
        if config.client_ca is not None:
            client_ca = _read_certificates("tls.client_ca", config.client_ca)
    except NotUsable as error:
        problems.append(error.problem)
    return TlsFiles(tuple(certificates), client_ca), problems


def expired(certificates: Iterable[ServerCertificate], now: datetime) -> list[Problem]:
    """Name those that clients refuse by now. It keeps no server from starting: a restart must not be worse."""
    return [
        Problem(
            f"{certificate.setting}.cert",
            f"the certificate in {certificate.file} has expired at {certificate.expires_at:%Y-%m-%d %H:%M} UTC.",
            "Renew it.",
        )
        for certificate in certificates
        if certificate.expires_at <= now
    ]


def _read_pair(setting: str, cert: Path | None, key: Path | None, now: datetime) -> ServerCertificate:
    if cert is None or key is None:
        missing, there = ("cert", "key") if cert is None else ("key", "cert")
        if cert is None and key is None:
            raise NotUsable("tls.cert", "is missing.", "Give tls.cert and tls.key.")
        raise NotUsable(f"{setting}.{missing}", "is missing.", f"It belongs to {setting}.{there}.")
    chain = _read_certificates(f"{setting}.cert", cert)
    own_key = _read_key(f"{setting}.key", key)
    if not _belong_together(chain[0], own_key):
        if any(_belong_together(other, own_key) for other in chain):
            raise NotUsable(
                f"{setting}.cert",
                f"{cert} begins with the certificate of somebody else.",
                "Put the own one first.",
            )
        raise NotUsable(f"{setting}.key", f"{key} is not the key of {cert}.", "Give the two that belong together.")
    if chain[0].not_valid_before_utc > now:
        raise NotUsable(
            f"{setting}.cert",
            f"the certificate in {cert} is not valid before {chain[0].not_valid_before_utc:%Y-%m-%d %H:%M} UTC.",
            f"It is {now:%Y-%m-%d %H:%M} UTC here: give another certificate, or set the clock.",
        )
    return ServerCertificate(setting, cert, chain, own_key)


def _read_certificates(setting: str, file: Path) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(_read(setting, file)))
    except ValueError:
        raise NotUsable(setting, f"{file} is no certificate in PEM.", "Give a file of such.") from None


def _read_key(setting: str, file: Path) -> KeyOfServer:
    content = _read(setting, file, closed=True)
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        raise NotUsable(
            setting, f"{file} has a passphrase.", f"Take it off: openssl pkey -in {file} -out NEW"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise NotUsable(setting, f"{file} is no private key in PEM.", "Give a file of such.") from None
    if not isinstance(key, KeyOfServer):
        raise NotUsable(
            setting, f"the key in {file} is of a kind that TLS does not use.", "Give one of EC or RSA."
        )
    return key


def _belong_together(certificate: x509.Certificate, key: KeyOfServer) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


def _read(setting: str, file: Path, *, closed: bool = False) -> bytes:
    """Read a file, of which ``closed`` says that it must be closed to others."""
    try:
        with file.open("rb") as stream:
            if closed and os.fstat(stream.fileno()).st_mode & 0o007:
                raise NotUsable(setting, f"others may read or write {file}.", f"Run: chmod o= {file}")
            return stream.read(MAX_FILE_SIZE)
    except OSError as error:
        raise NotUsable(
            setting, f"{file} cannot be read ({error.strerror}).", "Check the path, and who may read it."
        ) from None
