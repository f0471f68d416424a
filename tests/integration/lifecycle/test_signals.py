"""Signals: what is under way is finished, everybody is told, and the status is right (OP-2)."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import MqttPeer, ServerProcess, environment, firstboot, server_process
from tests.integration.lifecycle.conftest import Holding, until

from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Disconnect, Publish, Reason

KEY, SECRET = "the-key-of-demo", "the-secret-of-demo-3985"


def request(name: str) -> dict[str, str]:
    return {"deviceName": name, "provisionDeviceKey": KEY, "provisionDeviceSecret": SECRET}


@pytest.fixture(autouse=True)
def _profile(tmp_path: Path) -> None:
    firstboot(environment(tmp_path), "profile", "create", "demo", "--key", KEY, "--secret", SECRET)


async def post(server: ServerProcess, wanted: dict[str, Any]) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=30) as client:
        return await client.post(f"http://127.0.0.1:{server.http_port}/api/v1/provision", json=wanted)


async def connected(server: ServerProcess, connect: Connect) -> MqttPeer:
    peer = await MqttPeer.open(server.mqtt_port)
    await peer.connect(connect)
    assert (await peer.expect(Connack)).reason == 0
    return peer


async def ended(server: ServerProcess) -> int:
    return await asyncio.to_thread(server.process.wait, 30)


def refuses_connections(server: ServerProcess) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.http_port), 5).close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_requests_under_way_are_answered_before_the_end(
    tmp_path: Path, holding: Holding, number: signal.Signals
) -> None:
    """OP-2: over HTTP and MQTT; no new peer is let in meanwhile, and a new request is told so at once."""
    with server_process(tmp_path, **holding.environment) as server:
        peer = await connected(server, Connect(5, "", True, 60, username="provision"))
        late = await connected(server, Connect(5, "", True, 60, username="provision"))
        over_http = asyncio.create_task(post(server, request("over-http")))
        over_mqtt = asyncio.create_task(peer.provision(request("over-mqtt")))
        await holding.wait_until_held("over-http")
        await holding.wait_until_held("over-mqtt")

        server.process.send_signal(number)
        await until(lambda: refuses_connections(server))
        assert (await late.provision(request("too-late")))["status"] == "FAILURE"
        holding.let_go()

        answer = await over_http
        assert (answer.status_code, answer.json()["status"]) == (200, "SUCCESS")
        assert (await over_mqtt)["status"] == "SUCCESS"
        for end in (peer, late):
            assert (await end.expect(Disconnect)).reason == Reason.SERVER_SHUTTING_DOWN
            await end.close()
        assert await ended(server) == 0
    shown = json.loads(firstboot(server.environment, "device", "list", "--json").stdout)
    assert {device["name"] for device in shown} == {"over-http", "over-mqtt"}


async def test_every_version_5_peer_is_told_that_the_server_stops(tmp_path: Path) -> None:
    """OP-2: DISCONNECT with 0x8B."""
    with server_process(tmp_path) as server:
        firstboot(server.environment, "device", "create", "m-1", "--profile", "demo", "--token", "token-of-m-1")
        device = await connected(server, Connect(5, "m-1", True, 60, username="token-of-m-1"))
        newcomer = await connected(server, Connect(5, "", True, 60, username="provision"))
        old = await connected(server, Connect(4, "", True, 60, username="provision"))

        server.process.send_signal(signal.SIGTERM)

        for peer in (device, newcomer):
            assert (await peer.expect(Disconnect)).reason == 0x8B
            assert await peer.receive() is None
        assert await old.receive() is None
        for peer in (device, newcomer, old):
            await peer.close()
        assert await ended(server) == 0


async def test_a_second_signal_ends_the_process_at_once_with_status_1(tmp_path: Path, holding: Holding) -> None:
    """OP-2."""
    with server_process(tmp_path, **holding.environment) as server:
        under_way = asyncio.create_task(post(server, request("m-1")))
        await holding.wait_until_held("m-1")
        server.process.send_signal(signal.SIGTERM)
        await until(lambda: refuses_connections(server))

        server.process.send_signal(signal.SIGTERM)

        assert await ended(server) == 1
        with pytest.raises(httpx2.HTTPError):
            await under_way


async def test_a_request_that_never_ends_delays_the_end_no_longer_than_configured(
    tmp_path: Path, holding: Holding
) -> None:
    """OP-2: bounded."""
    more = {**holding.environment, "FIRSTBOOT_SERVER__STOP_TIMEOUT": "1s"}
    with server_process(tmp_path, **more) as server:
        peer = await connected(server, Connect(5, "", True, 60, username="provision"))
        under_way = asyncio.create_task(post(server, request("m-1")))
        await holding.wait_until_held("m-1")
        await peer.send(Publish("/provision/request", json.dumps(request("m-2")).encode()))

        server.process.send_signal(signal.SIGTERM)

        assert await ended(server) == 0
        await peer.expect_closed()
        await peer.close()
        with pytest.raises((httpx2.HTTPError, json.JSONDecodeError)):
            (await under_way).raise_for_status().json()
        assert "still under way" in (tmp_path / "server.log").read_text()


def test_an_idle_server_ends_without_a_word_on_standard_error_that_is_not_a_log_line(tmp_path: Path) -> None:
    with server_process(tmp_path) as server:
        assert server.stop(signal.SIGINT) == 0

    lines = (tmp_path / "server.log").read_text().splitlines()
    messages = [json.loads(line)["message"] for line in lines]
    assert messages == ["the first administrator was made", "ready", "stopping"]
