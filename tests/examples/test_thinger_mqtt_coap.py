"""The examples of thinger.io's devices over MQTT and CoAP provision themselves at a real server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.harness import environment, firstboot, server_process
from tests.integration.clients.live import LiveServer, run_program

EXAMPLES = Path(__file__).parents[2] / "examples" / "thinger"


@dataclass(frozen=True)
class Devices:
    """What runs the examples."""

    live: LiveServer
    key: str
    paho: Path

    def run(self, example: str, *more: str, key: str = "") -> subprocess.CompletedProcess[str]:
        port = self.live.mqtt_port if "coap" not in example else self.live.process.listeners["coap"]["port"]
        arguments = ["--port", str(port), "--user", "default", "--key", key or self.key, *more]
        return run_program(EXAMPLES / example, *arguments, python_path=self.paho)


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory, paho_mqtt: Path) -> Iterator[Devices]:
    """Run a server with a token that was made before."""
    directory = tmp_path_factory.mktemp("thinger-devices")
    made = firstboot(
        environment(directory), "thinger", "token", "create", "examples", "--preset", "full", "--short", "--json"
    )
    key: str = json.loads(made.stdout)["provisioning_key"]
    with server_process(directory) as process:
        yield Devices(LiveServer(process, "", ""), key, paho_mqtt)


def test_over_mqtt_a_device_makes_itself_known_and_logs_in(devices: Devices) -> None:
    wanted = ("--device", "mqtt-1", "--credentials", "a credential")

    first, second = (devices.run("mqtt_provision.py", *wanted) for _ in range(2))

    assert first.stdout == "The device mqtt-1: created.\nLogged in.\n", first.stderr
    assert second.stdout == "The device mqtt-1: exists.\nLogged in.\n"


def test_over_mqtt_a_conflict_is_told(devices: Devices) -> None:
    devices.run("mqtt_provision.py", "--device", "mqtt-2", "--credentials", "a credential")

    refused = devices.run("mqtt_provision.py", "--device", "mqtt-2", "--credentials", "another one")

    assert (refused.returncode, refused.stderr) == (1, "Refused: 409, credentials mismatch.\n")


def test_over_mqtt_a_wrong_key_is_told(devices: Devices) -> None:
    refused = devices.run(
        "mqtt_provision.py", "--device", "mqtt-3", "--credentials", "a credential", key="pk_wrong"
    )

    assert refused.returncode == 1
    assert refused.stderr.startswith("Refused: 401, ")


def test_a_unit_is_given_a_device_of_a_pool(devices: Devices) -> None:
    rest = "/v1/users/default/pools"
    devices.live.call("POST", rest, {"pool": "meters"}, token=devices.key)
    filling = {"count": 1, "id_pattern": "meter-{seq:05d}"}
    assert devices.live.call("POST", f"{rest}/meters/devices", filling, token=devices.key).status == 200

    given = devices.run("pool_device.py", "--pool", "meters", "--hardware-id", "AABBCC")
    refused = devices.run("pool_device.py", "--pool", "meters", "--hardware-id", "DDEEFF")

    assert given.stdout == "This is meter-00001 now.\nLogged in.\n", given.stderr
    assert (refused.returncode, refused.stderr) == (1, "Refused: 403, the subscription is refused.\n")


async def test_over_coap_a_device_makes_itself_known(devices: Devices) -> None:
    wanted = ("--device", "coap-1", "--credentials", "a credential")

    first, second = (devices.run("coap_provision.py", *wanted) for _ in range(2))
    refused = devices.run("coap_provision.py", "--device", "coap-1", "--credentials", "another one")

    assert first.stdout == "The device coap-1: created.\n", first.stderr
    assert second.stdout == "The device coap-1: exists.\n"
    assert (refused.returncode, refused.stderr) == (1, "Refused: 4.09, credentials mismatch.\n")
    assert await devices.live.login(client_id="coap-1", username="default", password=b"a credential") == 0


def test_every_example_stands_in_the_readme() -> None:
    readme = (EXAMPLES / "README.md").read_text()

    for example in EXAMPLES.glob("*.py"):
        assert f"`{example.name}`" in readme
