"""Deadlines and bounds for HTTP connections, which uvicorn leaves open (threats HT-1, HT-3, HT-4)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from firstboot.throttle import FailureThrottle, source_of
from firstboot.tls_settings import PEER_CERTIFICATE
from firstboot_plugins.transports.http.answers import closing_answer
from firstboot_plugins.transports.http.in_flight import BODY_HEADERS
from firstboot_plugins.transports.http.joined_writes import JoinedWrites

if TYPE_CHECKING:
    from firstboot_plugins.transports.http.config import HttpConfig
    from firstboot_plugins.transports.http.waiting import Waiting

logger = logging.getLogger(__name__)

MAX_PIPELINED = 16
"""Requests that may arrive on a connection before the one ahead of them is answered."""
ABORT = "firstboot.abort"
"""In the scope of a request: closes its connection at once, for an answer that the peer does not read."""
LINGER_S = 2.0
"""How long a peer may take to read the last answer. To close with bytes of its unread would destroy it."""

_ANSWERS = {status: closing_answer(status) for status in (400, 408, 414, 431)}
_END = b"\r\n\r\n"


class _BadFraming(Exception):
    """The parser takes it, and another one may read it otherwise, or it would occupy too much."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines for headers and body, and bounds on what does not reach the application.

    A connection is *waiting* while the next step is the peer's: it may then be closed to make room.
    """

    config_http: HttpConfig
    waiting: Waiting
    refusals: FailureThrottle

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The access log shows paths and queries, which may hold secrets (threat HT-6), also when switched off.
        self.access_log = False
        # uvicorn's own setting knows whole seconds only.
        self.timeout_keep_alive = self.config_http.keep_alive.total_seconds()  # type: ignore[assignment]
        self.address = ""
        self._accepted_at = self.loop.time()
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._in_headers = True
        self._line_complete = False
        self._header_bytes = 0
        self._header_tail = b""
        self._framing_bytes = 0
        self._deaf = False
        self._repeating = False

    # -- the socket --------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.transport = JoinedWrites(transport, self.loop)  # type: ignore[assignment]
        self.address = self.client[0] if self.client else ""
        self._certificate = transport.get_extra_info(PEER_CERTIFICATE)
        # TLS has had its part of the time already.
        spent_s = self.loop.time() - self._accepted_at
        self._set_deadline(self.config_http.header_timeout.total_seconds() - spent_s)
        self.waiting.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        if self._timer is not None:
            self._timer.cancel()
        self._unset_keepalive_if_required()
        self.waiting.leave(self)
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close at once."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        if not self._in_headers:
            self._framing_bytes += len(data)
        elif not self._fits(data):
            return
        elif self._deadline is None:  # the first bytes of a further request on this connection
            self._set_deadline(self.config_http.header_timeout.total_seconds())
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._reject(400)
        else:
            # Chunk extensions and trailers never reach the application, which bounds only the body.
            if not self._in_headers and self._framing_bytes > self.config_http.max_header_size:
                self._reject(431)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            # Another protocol is offered (as Java's client offers HTTP/2 with each request). The parser stops
            # before the body; one that knows nothing of the offer reads on from there.
            self.parser = httptools.HttpRequestParser(self)
            framing = b"".join(b"%b: %b\r\n" % header for header in self.headers if header[0] in BODY_HEADERS)
            self._repeating = True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")
            self._repeating = False
            self._feed(data[offer.args[0] :])

    def _fits(self, data: bytes) -> bool:
        """Count header bytes; what follows the end of the headers in this piece is bounded by its own size."""
        end = (self._header_tail + data).find(_END)
        size = len(data) if end < 0 else max(0, end - len(self._header_tail))
        self._header_tail = (self._header_tail + data)[-3:]
        if not self._line_complete:
            line_end = data.find(b"\n")
            line = self._header_bytes + (len(data) if line_end < 0 else line_end)
            if line > self.config_http.max_request_line:
                return self._reject(414)
            self._line_complete = line_end >= 0
        self._header_bytes += size
        if self._header_bytes > self.config_http.max_header_size:
            return self._reject(431)
        return True

    # -- the parser --------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if not self._repeating:
            super().on_message_begin()
            self.scope[ABORT] = self.transport.abort  # type: ignore[literal-required]
            self.scope[PEER_CERTIFICATE] = self._certificate  # type: ignore[literal-required]

    def on_url(self, url: bytes) -> None:
        if not self._repeating:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_headers:  # a trailer comes too late to change what was judged
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._repeating:
            return
        if len(self.pipeline) >= MAX_PIPELINED:
            raise _BadFraming
        version = self.parser.get_http_version()
        if version != "1.1":
            # HTTP/0.9 has no headers, HTTP/1.0 no chunks: another server would take them for the next request.
            chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
            if version != "1.0" or chunked:
                raise _BadFraming
        self._in_headers = False
        self._framing_bytes = 0
        self._set_deadline(self.config_http.body_timeout.total_seconds())
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._framing_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # the body is still to come
        self._clear_deadline()
        self._in_headers = True
        self._line_complete = False
        self._header_bytes = 0
        self._header_tail = b""
        self.waiting.remove(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() or self._deaf:
            return
        answered = self.cycle.response_complete
        if answered and not self._in_headers:  # without waiting for the rest of the body, which nobody wants
            self._linger()
        elif answered or not self._in_headers:
            self.waiting.add(self)

    # -- the end -----------------------------------------------------------------------------------

    def _set_deadline(self, seconds: float) -> None:
        """Give the peer so long. The timer of an earlier deadline is used on: most are never reached."""
        self._deadline = self.loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline, self._check_deadline)

    def _clear_deadline(self) -> None:
        self._deadline = None

    def _check_deadline(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._check_deadline)
            return
        self._deadline = None
        if self._deaf:
            self.transport.abort()
        elif not self.transport.is_closing():
            self._reject(408)

    def _reject(self, status: int) -> bool:
        """Answer what is no request, or none in time, and close."""
        source = source_of(self.address)
        if self.refusals.is_news(f"http {source}"):
            logger.info("http request refused", extra={"status": status, "address": source})
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.write(_ANSWERS[status])
            self._linger()
        elif self._in_headers:
            # Requests that came before this one are whole, and get their answers first.
            self._deaf = True
            self._clear_deadline()
            cycle.keep_alive = False
        elif self.pipeline or cycle.response_started:
            self.transport.abort()
        else:
            self.transport.write(_ANSWERS[status])
            cycle.disconnected = True
            cycle.message_event.set()
            self._linger()
        return False

    def _linger(self) -> None:
        self._deaf = True
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.transport.write_eof()
        self._set_deadline(LINGER_S)
        self.waiting.add(self)
