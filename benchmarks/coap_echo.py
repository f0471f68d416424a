"""The reference for CoAP: aiocoap sends back what is posted, and does nothing else."""

from __future__ import annotations

import asyncio
import sys

from aiocoap import CREATED, Context, Message  # type: ignore[import-untyped]
from aiocoap.resource import Resource, Site  # type: ignore[import-untyped]


class _Echo(Resource):  # type: ignore[misc]
    async def render_post(self, request: Message) -> Message:
        return Message(code=CREATED, payload=request.payload)


async def _serve(port: int) -> None:
    site = Site()
    site.add_resource(("api", "v1", "provision"), _Echo())
    await Context.create_server_context(site, bind=("127.0.0.1", port), transports=["udp6"])
    # Whoever waits for a server knocks at a TCP port.
    await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
