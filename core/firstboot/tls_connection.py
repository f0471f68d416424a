"""TLS on a connection of the event loop: what is received is decrypted for an inner protocol, which writes to it.

Not the event loop's own TLS: that tells nobody of a connection before its handshake is over, so that nobody could
bound how many there are, and it knows no client certificates that no authority vouches for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from OpenSSL import SSL

from firstboot.connection_layer import Arrivals, ConnectionLayer
from firstboot.tls import Tls
from firstboot.tls_contexts import reason_of
from firstboot.tls_peer import peer_certificate
from firstboot.tls_settings import PEER_CERTIFICATE

PIECE = 16_384
"""Bytes of the largest TLS record, and of what is read at once."""
MAX_CHATTER = 65_536
"""Bytes that a peer may make TLS itself say after the handshake, such as new keys: nobody needs so much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsListener:
    """What all connections of one listener have in common."""

    tls: Tls
    arrivals: Arrivals
    asks_for_certificate: bool
    handshake_timeout_s: float
    failed: Callable[[str, str], None]
    """Told address and reason when a handshake has failed."""

    def accept(self, inner: asyncio.Protocol) -> TlsConnection:
        """Return the protocol for a new connection; ``inner`` is connected once the handshake is over."""
        return TlsConnection(self, inner)


class TlsConnection(ConnectionLayer):
    """Encrypts for the socket, and decrypts for the inner protocol."""

    __slots__ = ("_chatter", "_errors", "_is_deaf", "_is_paused", "_listener", "_ssl")

    def __init__(self, listener: TlsListener, inner: asyncio.Protocol) -> None:
        super().__init__(inner, listener.arrivals)
        self._listener = listener
        self._ssl, self._errors = listener.tls.connection(asks_for_certificate=listener.asks_for_certificate)
        self._is_deaf = self._is_paused = False
        self._chatter = 0

    # -- the socket --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._is_deaf or self._is_closing:
            return
        self._ssl.bio_write(data)
        if self._is_open or self._shake_hands():
            self._read()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._is_open and not self._is_closing else None

    # -- the handshake -----------------------------------------------------------------------------

    def _start_timer(self) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        return loop.call_later(self._listener.handshake_timeout_s, self._time_out)

    def _shake_hands(self) -> bool:
        """Go on with the handshake; say whether it is over."""
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return False
        except SSL.Error as error:
            self._flush()  # the alert that says why
            self._fail(reason_of(error))
            return False
        self._flush()
        self._open()
        return True

    def _time_out(self) -> None:
        self._fail("timed out")
        self._transport.abort()

    def _fail(self, reason: str) -> None:
        self._is_closing = True
        self._listener.failed(self.address, reason)
        self._transport.close()

    # -- reading -----------------------------------------------------------------------------------

    def _read(self) -> None:
        """Hand on what can be decrypted by now."""
        while not (self._is_paused or self._is_closing or self._is_deaf):
            try:
                data = self._ssl.recv(PIECE)
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                if not self._inner.eof_received():
                    self.close()
                break
            except SSL.Error:
                self._flush()
                self.abort()
                return
            self._inner.data_received(data)
        self._chatter += self._flush()
        if self._chatter > MAX_CHATTER:
            self.abort()

    def pause_reading(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
                # What has come already waits in here, where the event loop does not see it.
                asyncio.get_running_loop().call_soon(self._read)

    def is_reading(self) -> bool:
        return not self._is_paused

    # -- writing -----------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or self._is_deaf:
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._ssl.send(rest[:PIECE]) :]
        except SSL.Error:
            self.abort()
        self._flush()

    def _flush(self) -> int:
        """Send what OpenSSL has to say; return how many bytes it is."""
        pieces = []
        try:
            while True:
                pieces.append(self._ssl.bio_read(PIECE * 4))
        except SSL.WantReadError:
            pass
        said = b"".join(pieces)
        if said and not self._transport.is_closing():
            self._transport.write(said)
        return len(said)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Say that nothing more comes; what the peer still sends is not decrypted any more."""
        if not self._is_closing and not self._is_deaf:
            self._say_goodbye()
            self._is_deaf = True
            self._transport.write_eof()

    def _say_goodbye(self) -> None:
        try:
            self._ssl.shutdown()
        except SSL.Error:  # it has been said, or the connection is broken
            pass
        self._flush()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._transport.get_write_buffer_limits()

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        if not self._is_closing:
            if self._is_open and not self._is_deaf:
                self._say_goodbye()
            self._is_closing = True
            self._transport.close()

    # -- what the inner protocol may ask -----------------------------------------------------------

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._inner

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == PEER_CERTIFICATE:
            return peer_certificate(self._ssl, self._errors) or default
        if name == "sslcontext":  # by which others see that this is TLS
            return self._ssl.get_context()
        return super().get_extra_info(name, default)
