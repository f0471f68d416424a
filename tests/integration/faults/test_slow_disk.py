"""A disk that takes its time holds up those who wait for it, and nobody else (OP-4)."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.harness import WAIT_S, login, running

from firstboot_plugins.storage_tortoise.sqlite_worker import Worker
from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Pingreq, Pingresp


async def test_op_4_sessions_and_logins_go_on_while_a_commit_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, disk = threading.Event(), threading.Event()
    transact: Any = Worker._transact

    def slowly(*arguments: Any) -> Any:
        reached.set()
        assert disk.wait(WAIT_S)
        return transact(*arguments)

    async with running(tmp_path) as server:
        demo = await server.profile()
        token = (await server.post(demo.request("in-use")))["credentialsValue"]
        assert await login(server, username=token) == 0
        peer = await server.peer(Connect(4, "c", True, 60, username=token))
        await peer.expect(Connack)
        monkeypatch.setattr(Worker, "_transact", slowly)

        waiting = asyncio.create_task(server.post(demo.request("new")))
        assert await asyncio.to_thread(reached.wait, WAIT_S)
        await peer.send(Pingreq())
        await peer.expect(Pingresp)
        assert await login(server, username=token) == 0
        assert not waiting.done()

        disk.set()
        assert (await waiting)["status"] == "SUCCESS"
        await peer.close()
