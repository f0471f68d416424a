"""TLS on a connection of the event loop: what is received is decrypted for an inner protocol, which writes to it.

Not the event loop's own TLS: that tells nobody of a connection before its handshake is over, so that nobody could
bound how many there are, and it knows no client certificates that no authority vouches for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from OpenSSL import SSL

from firstboot.tls import Tls
from firstboot.tls_contexts import reason_of
from firstboot.tls_peer import peer_certificate
from firstboot.tls_settings import PEER_CERTIFICATE

PIECE = 16_384
"""Bytes of the largest TLS record, and of what is read at once."""
MAX_CHATTER = 65_536
"""Bytes that a peer may make TLS itself say after the handshake, such as new keys: nobody needs so much."""


class Arrivals(Protocol):
    """Where connections are counted that do not speak the inner protocol yet."""

    def admit(self, peer: Arriving) -> None:
        """Count one, and drop another if there are too many."""
        ...

    def leave(self, peer: Arriving) -> None:
        """Count one no longer."""
        ...


class Arriving(Protocol):
    """A connection that does not speak the inner protocol yet."""

    address: str

    def drop(self) -> None:
        """Close at once."""
        ...


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


_NOBODY = asyncio.Protocol()


class TlsConnection(asyncio.Transport, asyncio.Protocol):
    """The protocol of the socket, and the transport of the inner protocol."""

    __slots__ = (
        "_chatter", "_errors", "_inner", "_is_closing", "_is_deaf", "_is_open", "_is_paused", "_listener", "_ssl",
        "_timer", "_transport", "address",
    )  # fmt: skip

    def __init__(self, listener: TlsListener, inner: asyncio.Protocol) -> None:
        self._listener = listener
        self._inner = inner
        self._ssl, self._errors = listener.tls.connection(asks_for_certificate=listener.asks_for_certificate)
        self._is_open = self._is_closing = self._is_deaf = self._is_paused = False
        self._chatter = 0
        self.address = ""

    # -- the socket --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._listener.handshake_timeout_s, self._time_out)
        self._listener.arrivals.admit(self)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf or self._is_closing:
            return
        self._ssl.bio_write(data)
        if self._is_open or self._shake_hands():
            self._read()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._is_open and not self._is_closing else None

    def pause_writing(self) -> None:
        if self._is_open:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._is_open:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._timer.cancel()
        self._listener.arrivals.leave(self)
        if self._is_open:
            self._inner.connection_lost(exc)
        self._inner = _NOBODY  # which holds us as its transport: nothing is left for the garbage collector

    # -- the handshake -----------------------------------------------------------------------------

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
        self._timer.cancel()
        self._listener.arrivals.leave(self)
        self._is_open = True
        self._inner.connection_made(self)
        return True

    def _time_out(self) -> None:
        self._fail("timed out")
        self._transport.abort()

    def _fail(self, reason: str) -> None:
        self._is_closing = True
        self._listener.failed(self.address, reason)
        self._transport.close()

    def drop(self) -> None:
        """Close at once, to make room for another peer."""
        self.abort()

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

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._transport.get_write_buffer_limits()

    # -- the end -----------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        return self._is_closing or self._transport.is_closing()

    def close(self) -> None:
        if not self._is_closing:
            if self._is_open and not self._is_deaf:
                self._say_goodbye()
            self._is_closing = True
            self._transport.close()

    def abort(self) -> None:
        self._is_closing = True
        self._transport.abort()

    # -- what the inner protocol may ask -----------------------------------------------------------

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._inner

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == PEER_CERTIFICATE:
            return peer_certificate(self._ssl, self._errors) or default
        if name == "sslcontext":  # by which others see that this is TLS
            return self._ssl.get_context()
        return self._transport.get_extra_info(name, default)
