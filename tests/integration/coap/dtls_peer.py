"""A CoAP client over DTLS whose every datagram a test sees, and a relay that loses some."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_ASN1, X509, dump_certificate
from tests.harness import WAIT_S
from tests.integration.coap.raw_coap import CoapPeer
from tests.integration.tls.making import Identity
from tests.integration.tls.secured import Secured

from firstboot_plugins.transports.coap.dtls_listener import DtlsListener
from firstboot_plugins.transports.coap.messages import Message

RECORD_HEADER = 13


class DtlsPeer(CoapPeer):
    """A socket of a device that speaks DTLS. It says nothing a second time."""

    def __init__(self, who: Identity | None = None) -> None:
        super().__init__()
        self.raw_heard: list[bytes] = []
        self.raw_sent: list[bytes] = []
        self.unsent: list[bytes] = []
        self.stops_after: int | None = None
        """How many datagrams it sends before it falls silent."""
        self.be(who)

    def be(self, who: Identity | None, *, ciphers: str = "DEFAULT") -> None:
        """Show this certificate, or none, in the next handshake."""
        self._context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
        self._context.set_options(SSL.OP_NO_QUERY_MTU)
        self._context.set_cipher_list(ciphers.encode())
        if who is not None:
            self._context.use_certificate(who.certificate)
            for each in who.above:
                self._context.add_extra_chain_cert(each)
            self._context.use_privatekey(who.key)
        self._begin()

    def _begin(self) -> None:
        self.ssl = SSL.Connection(self._context, None)
        self.ssl.set_ciphertext_mtu(1200)
        self.ssl.set_connect_state()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._open: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.raw_heard.append(data)
        self.ssl.bio_write(data)
        self._go_on()

    def _go_on(self) -> None:
        try:
            self.ssl.do_handshake()
            if not self._open.done():
                self._open.set_result(None)
            while True:
                self._received.put_nowait(self.ssl.recv(16_384))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self._end("closed")
        except SSL.Error as error:
            self._end(repr(error))
        self.flush()

    def _end(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_result(why)
        if not self._open.done():
            self._open.set_exception(ConnectionError(why))
            self._open.exception()  # whoever does not wait for it is not told in the log

    def said(self) -> bytes:
        """Return what DTLS would send now."""
        pieces = []
        with suppress(SSL.WantReadError):
            while True:
                pieces.append(self.ssl.bio_read(65_536))
        return b"".join(pieces)

    def flush(self) -> None:
        said = self.said()
        while said:
            size = RECORD_HEADER + int.from_bytes(said[11:13])
            self.send_raw(said[:size])
            said = said[size:]

    def send_raw(self, datagram: bytes) -> None:
        if self.stops_after is not None and len(self.raw_sent) >= self.stops_after:
            self.unsent.append(datagram)
            return
        self.raw_sent.append(datagram)
        self._transport.sendto(datagram)

    def hello(self) -> bytes:
        """Return a ClientHello without a cookie, and send nothing."""
        with suppress(SSL.WantReadError):
            self.ssl.do_handshake()
        return self.said()

    async def hello_with_cookie(self) -> bytes:
        """Ask for a cookie; return the ClientHello with it, and do not send that."""
        self.send_raw(self.hello())
        self.stops_after = len(self.raw_sent)
        await self.heard(1)
        return self.unsent[0]

    async def heard(self, count: int) -> list[bytes]:
        """Wait until so many datagrams have come in all; return them."""
        async with asyncio.timeout(WAIT_S):
            while len(self.raw_heard) < count:  # noqa: ASYNC110 -- what comes is looked at elsewhere
                await asyncio.sleep(0)
        return self.raw_heard

    async def shake_hands(self) -> None:
        """Shake hands; again and from the same port, if this was done before."""
        if self._open.done():
            self._begin()
        self._go_on()
        async with asyncio.timeout(WAIT_S):
            await self._open

    def send(self, what: Message | bytes) -> int:
        data = what if isinstance(what, bytes) else what.encode()
        self.ssl.send(data)
        self.flush()
        return len(data)

    def server_certificate(self) -> bytes:
        shown = self.ssl.get_peer_certificate()
        assert isinstance(shown, X509)
        return dump_certificate(FILETYPE_ASN1, shown)

    def bye(self) -> None:
        """Say close_notify."""
        with suppress(SSL.Error):
            self.ssl.shutdown()
        self.flush()


def listener_of(live: Secured) -> DtlsListener:
    """Return the server's listener, which keeps itself to itself."""
    (listener,) = (
        thing for thing in gc.get_objects() if isinstance(thing, DtlsListener) and thing.dtls._tls is live.tls
    )
    return listener


@asynccontextmanager
async def dtls_socket(
    port: int, who: Identity | None = None, *, source: str = "127.0.0.1"
) -> AsyncIterator[DtlsPeer]:
    """Open a socket to a server on this machine; nothing is said yet."""
    _, peer = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: DtlsPeer(who), local_addr=(source, 0), remote_addr=("127.0.0.1", port)
    )
    try:
        yield peer
    finally:
        await peer.close()


@asynccontextmanager
async def dtls_peer(port: int, who: Identity | None = None, **more: Any) -> AsyncIterator[DtlsPeer]:
    """Open a DTLS session with a server on this machine."""
    async with dtls_socket(port, who, **more) as peer:
        await peer.shake_hands()
        yield peer


Fate = Callable[[int, bytes], list[bytes]]
"""Told the number and the content of a datagram; returns what goes on instead, of it or of earlier ones."""


def unharmed(number: int, datagram: bytes) -> list[bytes]:
    return [datagram]


def losing(*numbers: int) -> Fate:
    return lambda number, datagram: [] if number in numbers else [datagram]


def swapping(first: int) -> Fate:
    """Let a datagram go on after the one that follows it."""
    held: list[bytes] = []

    def fate(number: int, datagram: bytes) -> list[bytes]:
        if number == first:
            held.append(datagram)
            return []
        going, held[:] = [datagram, *held], []
        return going

    return fate


class _Side(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay, fate: Fate, onward: Callable[[bytes], None]) -> None:
        self._relay = relay
        self._fate = fate
        self._onward = onward
        self.count = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self is self._relay.near:
            self._relay.client = addr
        for each in self._fate(self.count, data):
            self._onward(each)
        self.count += 1


class Relay:
    """A way between one client and the server, on which not all arrives; and a router that may change its port."""

    def __init__(self, port: int, fates: Mapping[str, Fate]) -> None:
        self._server = port
        self._fates = fates
        self.client: Any = None
        self.near: _Side
        self.port: int
        self._ways: list[asyncio.DatagramTransport] = []

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        near, self.near = await loop.create_datagram_endpoint(
            lambda: _Side(self, self._fates.get("up", unharmed), lambda each: self._far.sendto(each)),
            local_addr=("127.0.0.1", 0),
        )
        self._near = cast(asyncio.DatagramTransport, near)
        self._ways.append(self._near)
        self.port = near.get_extra_info("sockname")[1]
        await self.change_port()

    async def change_port(self) -> None:
        """Go on from another port: what comes to the former one is lost."""
        far, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Side(
                self, self._fates.get("down", unharmed), lambda each: self._near.sendto(each, self.client)
            ),
            remote_addr=("127.0.0.1", self._server),
        )
        self._far = cast(asyncio.DatagramTransport, far)
        self._ways.append(self._far)

    def close(self) -> None:
        for each in self._ways:
            each.close()


@asynccontextmanager
async def relay(port: int, **fates: Fate) -> AsyncIterator[Relay]:
    """Open a relay; ``up`` and ``down`` say what becomes of the datagrams to the server and from it."""
    opened = Relay(port, fates)
    await opened.open()
    try:
        yield opened
    finally:
        opened.close()
