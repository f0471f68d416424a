"""The reference for TLS: asyncio on uvloop sends back what it gets, until a client takes its leave."""

from __future__ import annotations

import asyncio
import ssl
import sys
import tempfile
from pathlib import Path

from benchmarks.client import on_uvloop
from benchmarks.frames import DISCONNECT
from firstboot.development_certificates import DevelopmentFiles, make_certificates


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if data == DISCONNECT:
            self._transport.close()
        else:
            self._transport.write(data)


async def _serve(port: int) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.num_tickets = 0  # as Firstboot, which resumes no session
    with tempfile.TemporaryDirectory() as directory:
        files = DevelopmentFiles(Path(directory))
        make_certificates(files, ["localhost"])
        context.load_cert_chain(files.server, files.server_key)
    loop = asyncio.get_running_loop()
    await loop.create_server(_Echo, "127.0.0.1", port, ssl=context, backlog=2048)
    await asyncio.Event().wait()


if __name__ == "__main__":
    on_uvloop(lambda: _serve(int(sys.argv[1])))
