"""Nobody sees an answer but the socket that asked (threats MQ-7, MQ-8; contract PM-5)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.harness import (
    REQUEST_TOPIC,
    RESPONSE_TOPIC,
    MqttPeer,
    Profile,
    TestServer,
    provision_over_mqtt,
    running,
)
from tests.integration.mqtt.probe import connected, quiet_log, request_packet, token_device

from firstboot_plugins.transports.mqtt.packets import (
    Connect,
    Packet,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
)

__all__ = ["quiet_log"]

pytestmark = pytest.mark.usefixtures("quiet_log")

FILTERS = [
    RESPONSE_TOPIC, REQUEST_TOPIC, "#", "/#", "+/+/+", "/+/response", "/provision/+", "/provision/#", "$SYS/#",
    "$share/spies//provision/response", "$share/spies/#",
]  # fmt: skip


async def spies(server: TestServer, demo: Profile) -> list[MqttPeer]:
    """Open sessions of every kind that listen for answers wherever they may."""
    found = []
    for level in (3, 4, 5):
        for number in range(4):
            spy = await connected(server, Connect(level, "spy" if number % 2 else "", True, 60, "provision"))
            found.append(spy)
        token = await token_device(server, demo, f"spy {level}")
        found.append(await connected(server, Connect(level, "spy", True, 60, token)))
    for spy in found:
        await spy.send(Subscribe(1, [(topic_filter, 1) for topic_filter in FILTERS]))
        granted = [code for code in (await spy.expect(Suback)).reasons if code < 0x80]
        assert len(granted) <= 1  # the response topic, in a provision session
        # A retained or a published answer of one's own making goes nowhere either.
        if spy.level == 4:
            await spy.send(Unsubscribe(2, ["#"]))
            await spy.receive()
    return found


async def overheard(spy: MqttPeer) -> list[Packet]:
    """Return what a spy was sent, up to the answer to a ping."""
    await spy.send(Pingreq())
    packets: list[Packet] = []
    while not isinstance(packet := await spy.receive(), Pingresp):
        assert packet is not None
        packets.append(packet)
    return packets


async def test_mq7_spies_of_every_kind_see_nothing_while_others_provision(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        demo = await server.profile()
        listening = await spies(server, demo)

        answers = await asyncio.gather(
            *(provision_over_mqtt(server, demo.request(f"device {number}")) for number in range(100))
        )

        assert {answer["status"] for answer in answers} == {"SUCCESS"}
        assert len({answer["credentialsValue"] for answer in answers}) == 100
        for spy in listening:
            assert await overheard(spy) == []
            await spy.close()


async def test_mq7_each_of_many_askers_gets_its_own_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        demo = await server.profile()

        async def ask(number: int) -> tuple[str, str]:
            peer = await connected(server, Connect(4, "same id", True, 60, "provision"))
            token = f"token of {number}"
            await peer.send(request_packet(demo.request(f"device {number}", token=token)))
            answer = json.loads((await peer.expect(Publish)).payload)
            assert await overheard(peer) == []
            await peer.close()
            return token, answer["credentialsValue"]

        assert all(token == told for token, told in await asyncio.gather(*map(ask, range(50))))


async def test_mq7_an_answer_is_not_kept_for_those_who_come_later(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        demo = await server.profile()
        asking = await connected(server, Connect(4, "same id", False, 60, "provision"))
        await asking.send(
            Publish(REQUEST_TOPIC, json.dumps(demo.request("kept")).encode(), qos=1, retain=True, packet_id=1)
        )
        await asking.receive()
        assert (await asking.expect(Publish)).retain is False
        await asking.close()  # without an acknowledgement

        late = await connected(server, Connect(4, "same id", False, 60, "provision"))
        await late.subscribe(qos=1)

        assert await overheard(late) == []
        await late.close()
