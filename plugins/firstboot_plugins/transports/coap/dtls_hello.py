"""The first words of a DTLS client, and the question whether its address is its own (RFC 6347, 4.2.1).

Nothing is kept of a client that has not answered it, and OpenSSL does not see what it sends.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from firstboot_plugins.transports.coap.peers import Peer

COOKIE_S = 60.0
"""How long a cookie is given out; it is good for as long again."""
_COOKIE_BYTES = 16
_HANDSHAKE, _CLIENT_HELLO, _HELLO_VERIFY_REQUEST = 22, 1, 3
_DTLS_1_0, _DTLS_1_2 = b"\xfe\xff", b"\xfe\xfd"
_RECORD_HEADER, _MESSAGE_HEADER = 13, 12
_BODY = _RECORD_HEADER + _MESSAGE_HEADER
_RANDOM = slice(_BODY + 2, _BODY + 34)
_MAX_SESSION_ID = 32


class Hello(NamedTuple):
    """What a ClientHello begins with."""

    number: bytes
    """Epoch and number of its record."""
    random: bytes
    """Drawn by the client for this handshake."""
    cookie: bytes


def read_hello(datagram: bytes) -> Hello | None:
    """Return the ClientHello that a datagram begins with; None when there is none, or only a piece of one."""
    if len(datagram) <= _RANDOM.stop or datagram[0] != _HANDSHAKE or datagram[_RECORD_HEADER] != _CLIENT_HELLO:
        return None
    if datagram[1:3] not in (_DTLS_1_0, _DTLS_1_2) or any(datagram[3:5]):  # epoch 0: not encrypted
        return None
    end = _RECORD_HEADER + int.from_bytes(datagram[11:13])
    length, offset, piece = (int.from_bytes(datagram[at : at + 3]) for at in (14, 19, 22))
    if offset or piece != length or not _RANDOM.stop < _BODY + length <= end <= len(datagram):
        return None
    session_id = datagram[_RANDOM.stop]
    at = _RANDOM.stop + 1 + session_id
    if session_id > _MAX_SESSION_ID or at >= end or at + 1 + datagram[at] > end:
        return None
    return Hello(datagram[3:11], datagram[_RANDOM], datagram[at + 1 : at + 1 + datagram[at]])


def hello_verify_request(hello: Hello, cookie: bytes) -> bytes:
    """Return the datagram that tells a client to say its hello again, with the cookie; it is smaller than that."""
    body = _DTLS_1_0 + bytes([len(cookie)]) + cookie
    length = len(body).to_bytes(3)
    message = bytes([_HELLO_VERIFY_REQUEST]) + length + bytes(2) + bytes(3) + length + body
    return bytes([_HANDSHAKE]) + _DTLS_1_0 + hello.number + len(message).to_bytes(2) + message


class Cookies:
    """Says who may know which cookie, without keeping any."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._key = secrets.token_bytes(32)

    def new(self, hello: Hello, peer: Peer) -> bytes:
        """Return the cookie that this client is to be told now."""
        return self._cookie(hello, peer, self._period())

    def fits(self, hello: Hello, peer: Peer) -> bool:
        """Say whether the client has been told the cookie that it says, of late, at this address."""
        now = self._period()
        return any(
            hmac.compare_digest(hello.cookie, self._cookie(hello, peer, period)) for period in (now, now - 1)
        )

    def _period(self) -> int:
        return int(self._monotonic() // COOKIE_S)

    def _cookie(self, hello: Hello, peer: Peer, period: int) -> bytes:
        where = f"{period} {peer.address} {peer.port} {peer.scope} ".encode()
        return blake2b(where + hello.random, key=self._key, digest_size=_COOKIE_BYTES).digest()
