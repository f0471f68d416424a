"""Whatever credentials a device wants, over every transport, with clients that are not ours too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from tests.harness import TestServer, firstboot, login
from tests.integration.clients.live import LiveServer, live_server, outcome_of, private_package
from tests.integration.pools.pool import Pool
from tests.integration.x509.fleet import csr

BASIC = {"clientId": "c-7", "username": "u-7", "password": "a-long-password"}


@pytest.mark.parametrize("transport", ["http", "mqtt", "coap"])
async def test_a_pool_gives_every_kind_of_credentials(server: TestServer, transport: str) -> None:
    pool = await Pool.make(server, 3)

    async def ask(hardware_id: str, **wanted: str) -> dict[str, object]:
        if transport == "http":
            return await pool.ask(hardware_id, **wanted)
        if transport == "coap":
            return await pool.ask_over_coap(hardware_id, **wanted)
        peer = await server.provision_peer()
        try:
            return await peer.provision(pool.profile.request(hardware_id, **wanted))
        finally:
            await peer.close()

    drawn = await ask("one")
    basic = await ask("two", credentialsType="MQTT_BASIC", **BASIC)
    _, request = csr(name="somebody-else")
    certificate = await ask("three", credentialsType="X509_CSR", csr=request)

    assert drawn["credentialsType"] == "ACCESS_TOKEN"
    assert await login(server, username=str(drawn["credentialsValue"])) == 0
    assert basic["credentialsType"] == "MQTT_BASIC"
    assert await login(server, client_id="c-7", username="u-7", password=b"a-long-password") == 0
    issued = x509.load_pem_x509_certificates(str(certificate["credentialsValue"]).encode())[0]
    (name,) = issued.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert name.value == await pool.name_of("three") == "m-3"


async def test_a_token_that_another_device_has_leaves_the_member_ready(server: TestServer) -> None:
    pool = await Pool.make(server, 2)
    await pool.ask("one", token="a-token")

    assert (await pool.ask("two", token="a-token"))["status"] == "FAILURE"

    assert await pool.codes() == ["token-in-use"]
    assert await pool.ready() == 1
    assert await login(server, username="a-token") == 0


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveServer]:
    """Run a server process whose profile has a pool of three devices."""
    with live_server(tmp_path, "--strategy", "pool") as server:
        firstboot_pool(server, "fill", "demo", "--count", "3", "--id-pattern", "sdk-{seq}")
        yield server


def firstboot_pool(live: LiveServer, *arguments: str) -> str:
    """Run ``firstboot pool`` beside the server."""
    return firstboot(live.process.environment, "pool", *arguments).stdout


def test_thingsboards_sdk_is_given_a_device_and_lives_in_it(live: LiveServer, tmp_path: Path) -> None:
    paho = private_package(tmp_path, "tb-paho-mqtt-client")
    keys = {"provision_device_key": live.key, "provision_device_secret": live.secret, "port": live.mqtt_port}

    outcome = outcome_of("tb_program.py", paho, do="provision", device_name="AABBCC", **keys)

    token = outcome["credentials"]["credentialsValue"]
    connected = outcome_of("tb_program.py", paho, do="connect", port=live.mqtt_port, username=token)
    assert connected["connected_afterwards"] is True
    (first, *others) = json.loads(firstboot_pool(live, "members", "demo", "--json"))
    assert (first["name"], first["hardware"], first["state"]) == ("sdk-1", "AABBCC", "assigned")
    assert [each["state"] for each in others] == ["ready", "ready"]
