"""One client of the DTLS listener: its handshake, and what it says afterwards (RFC 6347)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from OpenSSL import SSL

from firstboot.model import PeerCertificate
from firstboot.tls_contexts import reason_of
from firstboot.tls_peer import peer_certificate
from firstboot_plugins.transports.coap.peers import Peer

MAX_DATAGRAM = 1232
"""Bytes of a datagram that gets everywhere: those of IPv6 that each network takes, without the headers."""
_MAX_RECORD = 16_384
_RECORD_HEADER = 13


class Session:
    """Turns datagrams into messages, and messages into datagrams."""

    __slots__ = ("_connection", "_errors", "_transmit", "certificate", "is_open", "over", "peer", "random")

    def __init__(
        self,
        connection: SSL.Connection,
        errors: set[tuple[int, int]],
        peer: Peer,
        random: bytes,
        transmit: Callable[[bytes, Peer], None],
    ) -> None:
        """``random``: what the client has drawn for this handshake."""
        self._connection = connection
        self._errors = errors
        self._transmit = transmit
        self.peer = peer
        self.random = random
        self.is_open = False
        """Whether the handshake is over."""
        self.over: str | None = None
        """Why nothing more comes from the peer; None as long as something may."""
        self.certificate: PeerCertificate | None = None
        connection.set_ciphertext_mtu(MAX_DATAGRAM)

    def begin(self, hello: bytes) -> None:
        """Take the ClientHello with the cookie, and answer it."""
        self._connection.bio_write(hello)
        try:
            self._connection.DTLSv1_listen()
        except SSL.WantReadError:
            # What OpenSSL did not like about it waits in its list of errors, where before OpenSSL 4 the next one
            # who reads from whatever connection finds it; asked again, it begins with an empty list.
            with suppress(SSL.Error):
                self._connection.DTLSv1_listen()
            self.over = "no hello"
        except SSL.Error as error:
            self.over = reason_of(error)
        else:
            self._shake_hands()

    def receive(self, datagram: bytes) -> list[bytes]:
        """Take a datagram; return the messages in it."""
        self._connection.bio_write(datagram)
        if not self.is_open and not self._shake_hands():
            return []
        messages = []
        while self.over is None:
            try:
                messages.append(self._connection.recv(_MAX_RECORD))
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                self.over = "closed"
                self._say_goodbye()
            except SSL.Error as error:
                self.over = reason_of(error)
        self._flush()
        return messages

    def _shake_hands(self) -> bool:
        """Go on with the handshake; say whether it is done."""
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return False
        except SSL.Error as error:
            self._flush()  # the alert that says why
            self.over = reason_of(error)
            return False
        self.is_open = True
        self.certificate = peer_certificate(self._connection, self._errors)
        self._flush()
        return True

    def retransmit_in(self) -> float | None:
        """Return after how many seconds to call `retransmit`; None when nothing waits for an answer."""
        return None if self.is_open or self.over is not None else self._connection.DTLSv1_get_timeout()

    def retransmit(self) -> None:
        """Say again what has remained without an answer."""
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self.over = reason_of(error)
        self._flush()

    def send(self, message: bytes) -> None:
        """Send a message, if the peer is there."""
        if self.is_open and self.over is None:
            try:
                self._connection.send(message)
            except SSL.Error as error:
                self.over = reason_of(error)
            self._flush()

    def close(self) -> None:
        """Say goodbye; nothing more is taken or sent."""
        if self.is_open and self.over is None:
            self._say_goodbye()
            self._flush()
        self.over = self.over or "closed"

    def _say_goodbye(self) -> None:
        with suppress(SSL.Error):
            self._connection.shutdown()

    def _flush(self) -> None:
        """Send what OpenSSL has to say, each record in a datagram: some clients see the first one only."""
        pieces = []
        with suppress(SSL.WantReadError):
            while True:
                pieces.append(self._connection.bio_read(65_536))
        said = b"".join(pieces)
        while said:
            size = _RECORD_HEADER + int.from_bytes(said[11:13])
            self._transmit(said[:size], self.peer)
            said = said[size:]
