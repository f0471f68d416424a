"""CoAP clients that others have written, as programs: libcoap's ``coap-client`` (Debian), in any of its builds."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from typing import Any

from tests.harness import WAIT_S
from tests.integration.thingsboard_device.board import Board
from tests.services import require_tool

from firstboot.model import Scope

CERTIFICATE = "-----BEGIN CERTIFICATE-----\n" + "\n".join(["MIIB" * 16] * 40) + "\n-----END CERTIFICATE-----\n"
VALUES = {f"key-{number}": "v" * 100 for number in range(50)}


class CoapClient:
    """``coap-client`` as people type it."""

    def __init__(self, program: str, port: int, *always: str) -> None:
        """``always``: options of each call; those of one call come after them, and win."""
        self.program = require_tool(program)
        self._always = always
        self.url = f"coap://127.0.0.1:{port}/api/v1"

    async def start(self, method: str, path: str, *options: str) -> Process:
        arguments = ("-m", method, "-B", "10", *self._always, *options, f"{self.url}/{path}")
        return await asyncio.create_subprocess_exec(self.program, *arguments, stdout=PIPE, stderr=PIPE)

    async def ask(self, method: str, path: str, *options: str) -> tuple[str, str]:
        """Return what it prints, and what it complains of."""
        process = await self.start(method, path, *options)
        async with asyncio.timeout(WAIT_S):
            out, err = await process.communicate()
        return out.decode().rstrip("\n"), err.decode().strip()


async def observed(observing: Process, board: Board, values: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return what a client that observes prints at first, and when attributes are set; wait for its end."""
    assert observing.stdout is not None
    async with asyncio.timeout(WAIT_S):
        first = await observing.stdout.readuntil(b"}")
        await board.set(Scope.SHARED, values)
        changed = await observing.stdout.readuntil(b"}")
        await observing.communicate()
    return first.strip(), changed.strip()
