"""A layer between a socket and the protocol that is spoken over it, such as TLS or WebSocket."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast


class Arriving(Protocol):
    """A connection that does not speak the inner protocol yet."""

    address: str

    def drop(self) -> None:
        """Close at once, to make room for another peer."""
        ...


class Arrivals(Protocol):
    """Where connections are counted that do not speak the inner protocol yet."""

    def admit(self, peer: Arriving) -> None:
        """Count one, and drop another if there are too many."""
        ...

    def leave(self, peer: Arriving) -> None:
        """Count one no longer."""
        ...


_NOBODY = asyncio.Protocol()


class ConnectionLayer(asyncio.Transport, asyncio.Protocol):
    """The protocol of the socket, and the transport of the inner protocol.

    The inner protocol is connected once the layer says `_open`; until then a timer runs, and the connection counts
    among the arrivals.
    """

    __slots__ = ("_arrivals", "_inner", "_is_closing", "_is_open", "_timer", "_transport", "address")

    def __init__(self, inner: asyncio.Protocol, arrivals: Arrivals) -> None:
        self._inner = inner
        self._arrivals = arrivals
        self._is_open = self._is_closing = False
        self.address = ""

    def _start_timer(self) -> asyncio.TimerHandle:
        """Return the timer that ends a connection which is not opened in time."""
        raise NotImplementedError

    def _open(self) -> None:
        """Let the inner protocol begin."""
        self._timer.cancel()
        self._arrivals.leave(self)
        self._is_open = True
        self._inner.connection_made(self)

    # -- the socket --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        self._timer = self._start_timer()
        self._arrivals.admit(self)

    def pause_writing(self) -> None:
        if self._is_open:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._is_open:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._timer.cancel()
        self._arrivals.leave(self)
        if self._is_open:
            self._inner.connection_lost(exc)
        self._inner = _NOBODY  # which holds us as its transport: nothing is left for the garbage collector

    # -- what the inner protocol does, and what it may ask -------------------------------------------

    def drop(self) -> None:
        self.abort()

    def abort(self) -> None:
        self._is_closing = True
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._is_closing or self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
