"""The reference for DTLS: asyncio and pyOpenSSL send back what they get, until a client takes its leave."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from OpenSSL import SSL

from benchmarks.client import on_uvloop
from benchmarks.dtls import LARGEST, MTU, flush
from firstboot.development_certificates import DevelopmentFiles, make_certificates


class _Echo(asyncio.DatagramProtocol):
    def __init__(self, context: SSL.Context) -> None:
        self._context = context
        self._connections: dict[tuple[str, int], SSL.Connection] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        connection = self._connections.get(addr) or self._accept(addr)
        connection.bio_write(data)
        with suppress(SSL.WantReadError):
            try:
                connection.do_handshake()
                connection.send(connection.recv(LARGEST))
            except SSL.ZeroReturnError:
                del self._connections[addr]
        flush(connection, self._transport, addr)

    def _accept(self, addr: tuple[str, int]) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_ciphertext_mtu(MTU)
        connection.set_accept_state()
        self._connections[addr] = connection
        return connection


async def _serve(port: int) -> None:
    context = SSL.Context(SSL.DTLS_SERVER_METHOD)
    context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET)  # as Firstboot, which resumes no session
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    with tempfile.TemporaryDirectory() as directory:
        files = DevelopmentFiles(Path(directory))
        make_certificates(files, ["localhost"])
        context.use_certificate_chain_file(str(files.server))
        context.use_privatekey_file(str(files.server_key))
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: _Echo(context), local_addr=("127.0.0.1", port))
    # Whoever waits for a server knocks at a TCP port.
    await loop.create_server(asyncio.Protocol, "127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    on_uvloop(lambda: _serve(int(sys.argv[1])))
