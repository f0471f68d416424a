"""Deadlines and sizes for HTTP connections, which uvicorn leaves open (threat HT-1)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from firstboot.throttle import source_of

if TYPE_CHECKING:
    from firstboot_plugins.transports.http.config import HttpConfig

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_URI_TOO_LONG = b"HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Waiting:
    """Connections without a request, oldest first, in all and by address."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._idle: dict[BoundedProtocol, None] = {}
        self._by_source: dict[str, dict[BoundedProtocol, None]] = {}
        self.connections = 0

    def add(self, protocol: BoundedProtocol) -> None:
        """Count a connection as waiting, and close another one if there are too many."""
        neighbours = self._by_source.setdefault(protocol.source, {})
        if len(neighbours) >= self._config.max_idle_per_address:
            self._close_first(neighbours)
        elif self.connections > self._config.max_connections and self._idle:
            self._close_first(self._idle)
        self._idle[protocol] = None
        self._by_source.setdefault(protocol.source, {})[protocol] = None

    def remove(self, protocol: BoundedProtocol) -> None:
        if protocol in self._idle:
            del self._idle[protocol]
            neighbours = self._by_source[protocol.source]
            del neighbours[protocol]
            if not neighbours:
                del self._by_source[protocol.source]

    def _close_first(self, protocols: dict[BoundedProtocol, None]) -> None:
        longest = next(iter(protocols))
        self.remove(longest)
        longest.transport.close()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline for headers, one for the body, and a bound on the headers' size."""

    config_http: HttpConfig
    waiting: Waiting

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.source = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._in_headers = True
        self._line_complete = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.source = source_of(self.client[0]) if self.client else ""
        self.waiting.connections += 1
        self.waiting.add(self)
        self._set_deadline(self.config_http.header_timeout.total_seconds())

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        self.waiting.connections -= 1
        self.waiting.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            if not self._fits(data):
                return
            if self._deadline is None:  # the first bytes of a further request on this connection
                self._set_deadline(self.config_http.header_timeout.total_seconds())
        super().data_received(data)

    def _fits(self, data: bytes) -> bool:
        """Count header bytes; what follows the end of the headers in this piece is bounded by its own size."""
        end = data.find(b"\r\n\r\n")
        size = len(data) if end < 0 else end
        if not self._line_complete:
            line_end = data.find(b"\n")
            line = self._header_bytes + (len(data) if line_end < 0 else line_end)
            if line > self.config_http.max_request_line:
                return self._reject(_URI_TOO_LONG)
            self._line_complete = line_end >= 0
        self._header_bytes += size
        if self._header_bytes > self.config_http.max_header_size:
            return self._reject(_TOO_LARGE)
        return True

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self.waiting.remove(self)
        self._set_deadline(self.config_http.body_timeout.total_seconds())
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._clear_deadline()
        self._in_headers = True
        self._line_complete = False
        self._header_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and self._in_headers:
            self.waiting.remove(self)
            self.waiting.add(self)

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, self._too_slow)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._reject(_TIMED_OUT)

    def _reject(self, answer: bytes) -> bool:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(answer)
        self.transport.close()
        return False
