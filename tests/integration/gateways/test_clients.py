"""ThingsBoard's Python SDK as a gateway (TBGatewayMqttClient), unmodified: contract 4.6, GW-1, DA-3."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.harness import running
from tests.integration.claiming.buyers import FROM_REST, Buyer
from tests.integration.clients.live import WAIT_S, outcome_of
from tests.integration.gateways.gateway import Gateway, found, is_connected
from tests.integration.thingsboard_device.board import Board, Watcher

from firstboot.secret import Secret

PROGRAM = str(Path(__file__).parent / "tb_gateway_program.py")


async def test_5_7_the_sdk_speaks_for_its_devices_and_opens_them_for_claiming(
    tmp_path: Path, database: str | None, tb_paho: Path
) -> None:
    watcher = Watcher()
    async with running(tmp_path, database=database, plugins={"watcher": watcher}) as server:
        gateway, buyer = await Gateway.make(server), await Buyer.make(server)
        itself = await Board.make(server, "of another")
        async with itself.session():  # now it has spoken for itself
            pass
        program = asyncio.create_task(
            asyncio.to_thread(outcome_of, PROGRAM, tb_paho, port=server.mqtt_port, token=gateway.token)
        )

        async with asyncio.timeout(WAIT_S):
            await watcher.reported("claimed").wait()
            for name, secret in (("A", "a"), ("B", "b")):
                await server.services.claiming.claim(buyer.user, name, Secret(secret), FROM_REST)
            assert is_connected(server, await found(server, "A"))
            answer = await Board(server, await found(server, "B"), "").called("setGpio", {"pin": 7})
            await watcher.reported("done").wait()
            assert await gateway.behind() == {"A", "B", "C"}
            outcome = await program

        assert answer == {"answer": {"pin": 7}}
        call = outcome.pop("called")
        assert (call["device"], call["data"]["method"], call["data"]["params"]) == ("B", "setGpio", {"pin": 7})
        first = outcome["client"].pop("id")
        assert isinstance(outcome["shared"].pop("id"), int)
        assert isinstance(first, int)
        assert outcome == {
            "limits": ["gatewayRateLimits", "maxInflightMessages", "maxPayloadSize", "rateLimits"],
            "connect": [True, True],
            "telemetry": [True, True],
            "attributes": [True],
            "client": {"device": "A", "values": {"fw": "1.2.3", "serial": "A-5"}},
            "shared": {"device": "A"},
            "claim": [True, True],
            "changed": [{"device": name, "data": {"claimed": True}} for name in "AB"],
            "sent away": {"device": "of another", "reason": 128},
            "disconnect": True,
            "connected": True,
        }
        assert await gateway.values("A") == {"t": 21.5}
        assert await gateway.values("B") == {"old": 1, "new": 2}
        assert {(await found(server, name)).customer_id for name in "AB"} == {buyer.user.customer_id}
        assert (await found(server, "C")).customer_id is None
        assert await gateway.values("of another") == {}
