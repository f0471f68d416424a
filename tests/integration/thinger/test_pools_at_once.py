"""The invariants of pools, over all transports at once (contract 12.4, check 14.8)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

from tests.harness import MqttPeer
from tests.integration.coap.raw_coap import coap_peer
from tests.integration.thinger.account import Account
from tests.integration.thinger.sessions import CLAIM, code_of, heard, opened, short_key, subscribed
from tests.integration.thinger.test_coap import options
from tests.integration.thinger.test_pools import given, pool

from firstboot_plugins.transports.coap.messages import Code
from firstboot_plugins.transports.mqtt.packets import Publish, Suback, Subscribe

MEMBERS, CLAIMS = 10, 30
Given = tuple[str, str] | None
"""Device and credential, or a refusal."""


async def over_http(account: Account, key: str, hardware_id: str) -> Given:
    answer = await account.call("POST", "/pools/meters/claim", key, {"hardware_id": hardware_id})
    body = answer.json()
    if answer.status_code == 200:
        return body["device"], body["credentials"]
    assert (answer.status_code, body) == (404, {"error": {"message": "pool empty"}})
    return None


async def over_mqtt(peer: MqttPeer, hardware_id: str) -> Given:
    topic = f"provision/pool/meters/{hardware_id}"
    await peer.send(Subscribe(1, [(topic, 1)]))
    if (await peer.expect(Suback)).reasons == [0x80]:
        return None
    message = await peer.expect(Publish)
    body = json.loads(message.payload)
    return body["device"], body["credentials"]


async def over_coap(account: Account, key: str, hardware_id: str) -> Given:
    async with coap_peer(account.server.coap_port) as peer:
        answer = await peer.ask(
            Code.POST, "v1/users/alice/pools/meters/claim", json.dumps({"hardware_id": hardware_id}).encode(),
            query=(f"authorization={key}",), options=options(),
        )  # fmt: skip
    body = json.loads(answer.payload)
    if answer.code == Code.CREATED:
        return body["device"], body["credentials"]
    assert (answer.code, body) == (Code.NOT_FOUND, {"message": "pool empty"})
    return None


async def test_tg_14_8_of_30_claims_at_once_10_are_given_distinct_devices(thinger: Account) -> None:
    await pool(thinger, MEMBERS)
    key = await short_key(thinger, CLAIM)
    peers = [await opened(thinger, "new", key) for _ in range(CLAIMS // 3)]

    claims = []
    for number, peer in enumerate(peers):
        claims += [
            over_http(thinger, key, f"http{number}"),
            over_mqtt(peer, f"mqtt{number}"),
            over_coap(thinger, key, f"coap{number}"),
        ]
    answers = await asyncio.gather(*claims)
    for peer in peers:
        await peer.close()

    devices = [answer for answer in answers if answer is not None]
    assert len(devices) == MEMBERS
    assert sorted(device for device, _ in devices) == [f"meter-{number:05d}" for number in range(1, MEMBERS + 1)]
    assert [await code_of(thinger, *device) for device in devices] == [0] * MEMBERS


async def test_tg_12_4_one_hardware_that_asks_everywhere_at_once_holds_one_device(thinger: Account) -> None:
    token = await pool(thinger, 5)
    key = await short_key(thinger, CLAIM)
    peers = [await opened(thinger, "new", key) for _ in range(3)]

    answers = await asyncio.gather(
        *(over_mqtt(peer, "AABBCC") for peer in peers),
        *(over_http(thinger, key, "AABBCC") for _ in range(3)),
        *(over_coap(thinger, key, "AABBCC") for _ in range(3)),
    )
    for peer in peers:
        await peer.close()

    devices = [answer for answer in answers if answer is not None]
    assert len(Counter(device for device, _ in devices)) == 1
    assert (await thinger.call("GET", "/pools/meters", token)).json()["ready"] == 4
    codes = [await code_of(thinger, *device) for device in devices]
    assert codes.count(0) == 1  # the newest credential, and no other


async def test_tg_12_4_those_who_wait_and_those_who_ask_never_get_the_same_device(sqlite_thinger: Account) -> None:
    token = await pool(sqlite_thinger, on_empty="wait")
    key = await short_key(sqlite_thinger, CLAIM)
    waiting = [await opened(sqlite_thinger, "new", key) for _ in range(3)]
    for number, peer in enumerate(waiting):
        assert await subscribed(peer, f"provision/pool/meters/waits{number}") == 0

    filled, *asked = await asyncio.gather(
        sqlite_thinger.call("POST", "/pools/meters/devices", token, {"count": 6, "id_pattern": "meter-{seq:05d}"}),
        *(over_http(sqlite_thinger, key, f"asks{number}") for number in range(3)),
    )
    told = [await heard(peer, f"provision/pool/meters/waits{number}") for number, peer in enumerate(waiting)]
    late = [await given(sqlite_thinger, token, f"asks{number}") for number in range(3)]

    assert filled.json()["added"] == 6
    devices = {answer["device"] for answer in (*told, *late)}
    assert len(devices) == 6
    assert {answer[0] for answer in asked if answer is not None} <= devices
    for peer in waiting:
        await peer.close()
