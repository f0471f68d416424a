"""What is known of the other side of a TLS or DTLS connection once the handshake is over."""

from __future__ import annotations

from collections.abc import Set

from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_ASN1, dump_certificate

from firstboot.model import PeerCertificate
from firstboot.tls_contexts import EXPIRED, NOT_YET_VALID


def peer_certificate(connection: SSL.Connection, errors: Set[tuple[int, int]]) -> PeerCertificate | None:
    """Return what the peer has proven with, None where it has shown none.

    ``errors`` were found in its certificates: error and depth.
    """
    leaf = connection.get_peer_certificate()
    if leaf is None:
        return None
    der = dump_certificate(FILETYPE_ASN1, leaf)
    sent = tuple(dump_certificate(FILETYPE_ASN1, each) for each in connection.get_peer_cert_chain() or ())
    beyond_dates = {error for error, depth in errors if depth or error not in (NOT_YET_VALID, EXPIRED)}
    return PeerCertificate(der=der, chain=sent[1:] if sent[:1] == (der,) else sent, is_trusted=not beyond_dates)
