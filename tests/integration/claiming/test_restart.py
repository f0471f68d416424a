"""CM-11: what a device said before the server stopped, or was killed, counts after it has started again."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx2
import pytest
from tests.harness import MqttPeer, ServerProcess, running, server_process
from tests.integration.claiming.buyers import PASSWORD, Buyer
from tests.integration.thingsboard_device.board import Board

from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Puback, Publish

SECRET = "s/é 1"


async def claimed_by_device(server: ServerProcess, board: Board, transport: str) -> None:
    """Open the device for claiming; return when the server has acknowledged that."""
    body = f'{{"secretKey":"{SECRET}"}}'.encode()
    if transport == "http":
        async with httpx2.AsyncClient() as client:
            url = f"http://127.0.0.1:{server.http_port}/api/v1/{board.token}/claim"
            assert (await client.post(url, content=body)).status_code == 200
        return
    peer = await MqttPeer.open(server.mqtt_port)
    await peer.connect(Connect(4, "c", True, 60, username=board.token))
    assert (await peer.expect(Connack)).reason == 0
    await peer.send(Publish("v1/devices/me/claim", body, qos=1, packet_id=1))
    assert (await peer.expect(Puback)).packet_id == 1
    await peer.close()


async def claimed_by_customer(server: ServerProcess, board: Board, buyer: Buyer, secret: str) -> int:
    """Claim the device over REST; return the status."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.http_port}") as client:
        answer = await client.post("/api/auth/login", json={"username": buyer.user.email, "password": PASSWORD})
        client.headers["X-Authorization"] = f"Bearer {answer.json()['token']}"
        path = f"/api/customer/device/{board.device.name}/claim"
        return (await client.post(path, json={"secretKey": secret})).status_code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
async def test_cm_11_a_window_that_a_device_opened_survives_the_server(
    tmp_path: Path, database: str | None, number: signal.Signals
) -> None:
    more = {"FIRSTBOOT_STORAGE__URL": database} if database else {}
    async with running(tmp_path, database=database) as server:
        boards = {transport: await Board.make(server, transport) for transport in ("http", "mqtt")}
        buyer = await Buyer.make(server)

    with server_process(tmp_path, **more) as process:
        for transport, board in boards.items():
            await claimed_by_device(process, board, transport)
        process.stop(number)

    with server_process(tmp_path, **more) as process:
        for board in boards.values():
            assert await claimed_by_customer(process, board, buyer, "wrong") == 400
            assert await claimed_by_customer(process, board, buyer, SECRET) == 200
        process.stop()
