"""What OpenSSL is told, for new connections of a listener.

pyOpenSSL, because Python's own ``ssl`` cannot take a certificate that no authority vouches for: it refuses the
handshake, or it never asks for one. Devices of ThingsBoard's kind sign their certificates themselves, and who they
are follows from the hash of what they show.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from OpenSSL import SSL
from OpenSSL.crypto import X509, Error, PKey

from firstboot.config import TlsConfig
from firstboot.errors import Problem
from firstboot.tls_files import ServerCertificate, TlsFiles

_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET | SSL.OP_CIPHER_SERVER_PREFERENCE
_DTLS_1_2 = 0xFEFD  # pyOpenSSL has no name for it
MAX_CHAIN = 8

NOT_YET_VALID, EXPIRED = 9, 10
_NOBODY_VOUCHES = frozenset({2, 18, 19, 20, 21})
"""Self-signed, a root we do not know, an issuer that is missing, a chain that ends at its first certificate."""
_VOUCHES_IN_VAIN = frozenset({7, 25, 26, 32, 37, 79})
"""A signature that does not fit, a certificate or an issuer that is not made for this."""
TOLERATED = frozenset({NOT_YET_VALID, EXPIRED}) | _NOBODY_VOUCHES | _VOUCHES_IN_VAIN
"""OpenSSL's errors with which a handshake goes on: the peer has its key all the same, and is not trusted. The
others, such as a key that is too small, end it."""


_RSA_KINDS = frozenset({6, 912})
"""OpenSSL's numbers of RSA keys: any, and those for RSA-PSS only."""
_MAX_KEY_BITS = 8192
_MAX_EXPONENT_BITS = 64


class Contexts:
    """The contexts of all certificates, of one reading of the files. Nothing in them changes afterwards."""

    def __init__(self, config: TlsConfig, files: TlsFiles) -> None:
        """Raises: `ContextRefused`."""
        self._sets = {
            (asks, datagrams): _Set(config, files, asks=asks, datagrams=datagrams)
            for asks in (False, True)
            for datagrams in (False, True)
        }

    def connection(self, *, asks_for_certificate: bool) -> tuple[SSL.Connection, set[tuple[int, int]]]:
        """Return the server's side of a new connection, and the set that takes what is wrong with the peer's
        certificates: error and depth."""
        return self._connection(_About(self), asks=asks_for_certificate, datagrams=False)

    def datagram_connection(
        self, *, asks_for_certificate: bool, cookie: bytes
    ) -> tuple[SSL.Connection, set[tuple[int, int]]]:
        """Return the same for DTLS; the peer has been told ``cookie``, and must say it."""
        return self._connection(_About(self, cookie), asks=asks_for_certificate, datagrams=True)

    def _connection(
        self, about: _About, *, asks: bool, datagrams: bool
    ) -> tuple[SSL.Connection, set[tuple[int, int]]]:
        connection = SSL.Connection(self._sets[asks, datagrams].default, None)
        connection.set_app_data(about)
        connection.set_accept_state()
        return connection, about.errors


@dataclass(frozen=True, slots=True)
class _About:
    """What belongs to a connection."""

    contexts: Contexts
    """OpenSSL goes on calling what belongs to a context, also when the files were read anew."""
    cookie: bytes = b""
    errors: set[tuple[int, int]] = field(default_factory=set)


class ContextRefused(Exception):
    """OpenSSL does not take what it was given."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Set:
    """One context for each certificate, and the choice among them by the name that a client asks for."""

    def __init__(self, config: TlsConfig, files: TlsFiles, *, asks: bool, datagrams: bool) -> None:
        new = _datagram_context if datagrams else _stream_context
        made = [(each, _context(new(config), files, each, asks=asks)) for each in files.certificates]
        self.default = made[0][1]
        self._by_name: Mapping[bytes, SSL.Context] = {
            name.encode("ascii", "ignore"): context for each, context in reversed(made) for name in each.names
        }
        if len(made) > 1:
            self.default.set_tlsext_servername_callback(self._choose)

    def _choose(self, connection: SSL.Connection) -> None:
        name = (connection.get_servername() or b"").lower()
        wildcard = b"*." + name.partition(b".")[2]
        context = self._by_name.get(name) or self._by_name.get(wildcard)
        if context is not None and context is not self.default:
            connection.set_context(context)


def _stream_context(config: TlsConfig) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_VERSIONS[config.min_version])
    _set_ciphers(context, "tls.ciphers", config.ciphers)
    return context


def _datagram_context(config: TlsConfig) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_SERVER_METHOD)
    context.set_min_proto_version(_DTLS_1_2)
    context.set_max_proto_version(_DTLS_1_2)
    context.set_options(SSL.OP_NO_QUERY_MTU)
    context.set_cookie_generate_callback(lambda connection: connection.get_app_data().cookie)
    context.set_cookie_verify_callback(
        lambda connection, cookie: hmac.compare_digest(cookie, connection.get_app_data().cookie)
    )
    _set_ciphers(context, "tls.dtls_ciphers", config.dtls_ciphers)
    return context


def _set_ciphers(context: SSL.Context, setting: str, ciphers: str) -> None:
    try:
        context.set_cipher_list(ciphers.encode())
    except SSL.Error:
        problem = Problem(setting, "OpenSSL knows no such ciphers.", "Leave it out, or see openssl ciphers -v.")
        raise ContextRefused(problem) from None


def _context(context: SSL.Context, files: TlsFiles, certificate: ServerCertificate, *, asks: bool) -> SSL.Context:
    context.set_options(_OPTIONS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    # Whoever comes back proves everything anew: a session that is resumed would bring along the certificate of
    # the connection before (threat SE-10).
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"firstboot")
    try:
        context.use_certificate(certificate.leaf)
        for other in certificate.chain[1:]:
            context.add_extra_chain_cert(other)
        context.use_privatekey(certificate.key)
    except SSL.Error as error:
        what = f"OpenSSL does not take {certificate.file} ({reason_of(error)})."
        problem = Problem(
            f"{certificate.setting}.cert", what, "Give one with a key of EC P-256, or RSA from 2048 bits."
        )
        raise ContextRefused(problem) from None
    if asks:
        store = context.get_cert_store()
        assert store is not None  # each context has one
        for authority in files.client_ca:
            store.add_cert(X509.from_cryptography(authority))
        context.set_verify_depth(MAX_CHAIN)
        context.set_verify(SSL.VERIFY_PEER, _verify)
    return context


def _verify(connection: SSL.Connection, certificate: X509, error: int, depth: int, is_good: int) -> bool:
    """Note what is wrong with a certificate of the peer, and say whether to go on all the same.

    OpenSSL asks about each certificate before it uses the key in it, from the highest down.
    """
    if _is_costly(certificate):
        return False
    if is_good:
        return True
    connection.get_app_data().errors.add((error, depth))
    return error in TOLERATED


def _is_costly(certificate: X509) -> bool:
    """Say whether signatures take long with a key: strangers make such, and everybody waits meanwhile."""
    try:
        key: PKey = certificate.get_pubkey()
        if key.bits() > _MAX_KEY_BITS:
            return True
        if key.type() not in _RSA_KINDS:
            return False
        exponent: int = key.to_cryptography_key().public_numbers().e  # type: ignore[union-attr]
    except (Error, ValueError, TypeError, UnsupportedAlgorithm):  # a key that nothing can be done with
        return True
    return exponent.bit_length() > _MAX_EXPONENT_BITS


def reason_of(error: SSL.Error) -> str:
    """Return what OpenSSL says; nothing that a peer has sent is in it."""
    stack: object = error.args[0] if error.args else None
    entries = stack if isinstance(stack, list) else []
    return next((reason for *_, reason in entries if reason), "closed")
