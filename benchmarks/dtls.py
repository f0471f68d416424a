"""A client of CoAP over DTLS (RFC 7252, 9.1) that shakes hands for each request."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import cast

from OpenSSL import SSL

from benchmarks.coap import CoapSocket

MTU = 1200
LARGEST = 65_536
_CONTEXT = SSL.Context(SSL.DTLS_CLIENT_METHOD)
_CONTEXT.set_options(SSL.OP_NO_QUERY_MTU)


class DtlsSocket(CoapSocket):
    """A socket for one request: it takes its leave after the answer, and sends nothing a second time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._waiting: bytes | None = None
        """The request, until hands are shaken."""
        self._ssl = SSL.Connection(_CONTEXT, None)
        self._ssl.set_ciphertext_mtu(MTU)
        self._ssl.set_connect_state()

    def send(self, message: bytes) -> None:
        self._waiting = message
        self._go_on()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._ssl.bio_write(data)
        self._go_on()
        if self.done.done() and not self._transport.is_closing():
            with suppress(SSL.Error):
                self._ssl.shutdown()
            flush(self._ssl, self._transport, None)
            self._transport.close()

    def _go_on(self) -> None:
        try:
            self._ssl.do_handshake()
            if self._waiting is not None:
                self._ssl.send(self._waiting)
                self._waiting = None
            while not self.done.done():
                super().datagram_received(self._ssl.recv(LARGEST), None)
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self._fail(f"DTLS: {error!r}")
        flush(self._ssl, self._transport, None)


def flush(connection: SSL.Connection, transport: asyncio.DatagramTransport, where: tuple[str, int] | None) -> None:
    """Send what OpenSSL has to say; several of its records may share a datagram."""
    with suppress(SSL.WantReadError):
        while True:
            transport.sendto(cast(bytes, connection.bio_read(LARGEST)), where)
