"""mosquitto_pub, mosquitto_sub and mosquitto_rr, unmodified, in each version of MQTT."""

from __future__ import annotations

import json
import subprocess
from typing import IO

import pytest
from tests.integration.clients.live import WAIT_S, LiveServer
from tests.services import require_tool

every_version = pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])
REQUEST, RESPONSE = "/provision/request", "/provision/response"


class Mosquitto:
    """The mosquitto clients, against one server."""

    def __init__(self, live: LiveServer) -> None:
        self._port = live.mqtt_port

    def command(self, program: str, version: str, *arguments: str) -> list[str]:
        return [require_tool(program), "-h", "127.0.0.1", "-p", str(self._port), "-V", version, *arguments]

    def run(self, program: str, version: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(program, version, *arguments), capture_output=True, text=True, timeout=WAIT_S, check=False
        )


@pytest.fixture
def mosquitto(live: LiveServer) -> Mosquitto:
    return Mosquitto(live)


@every_version
async def test_mosquitto_rr_provisions_and_prints_the_answer(
    mosquitto: Mosquitto, live: LiveServer, name: str, version: str
) -> None:
    message = json.dumps(live.request(name))

    done = mosquitto.run(
        "mosquitto_rr", version, "-u", "provision", "-t", REQUEST, "-e", RESPONSE, "-m", message, "-W", "20"
    )

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] == "SUCCESS"
    assert await live.login(username=answer["credentialsValue"]) == 0


@every_version
@pytest.mark.parametrize("qos", ["0", "1"])
def test_mosquitto_pub_provisions_with_its_own_token_and_logs_in_with_it(
    mosquitto: Mosquitto, live: LiveServer, name: str, version: str, qos: str
) -> None:
    token = f"own-{version}-{qos}"
    message = json.dumps(live.request(name, credentialsType="ACCESS_TOKEN", token=token))

    asked = mosquitto.run("mosquitto_pub", version, "-u", "provision", "-t", REQUEST, "-m", message, "-q", qos)
    for _ in range(20 if qos == "0" else 1):  # at QoS 0 the client leaves before its request is decided
        logged_in = mosquitto.run(
            "mosquitto_pub", version, "-u", token, "-t", "v1/devices/me/telemetry", "-m", "{}"
        )
        if logged_in.returncode == 0:
            break

    assert asked.returncode == 0, asked.stderr
    assert logged_in.returncode == 0, logged_in.stderr


@every_version
def test_3_3_mosquitto_pub_is_refused_with_unknown_credentials(mosquitto: Mosquitto, version: str) -> None:
    done = mosquitto.run("mosquitto_pub", version, "-u", "nobodys-token", "-t", "t", "-m", "{}")

    # Its exit status is the code of the CONNACK.
    assert done.returncode == (0x86 if version == "mqttv5" else 5), done.stderr


@every_version
def test_pm_5_mosquitto_sub_may_subscribe_to_nothing_but_its_own_answers(
    mosquitto: Mosquitto, version: str
) -> None:
    done = mosquitto.run("mosquitto_sub", version, "-u", "provision", "-t", "#", "-t", "$SYS/#", "-W", "20")

    assert "All subscription requests were denied" in done.stdout + done.stderr


@every_version
def test_mq_7_mosquitto_sub_does_not_see_the_answers_of_others(
    mosquitto: Mosquitto, live: LiveServer, name: str, version: str
) -> None:
    # Into a pipe it would say nothing before its end.
    unbuffered = [require_tool("stdbuf"), "-oL"]
    spy = mosquitto.command("mosquitto_sub", version, "-u", "provision", "-t", RESPONSE, "-q", "1", "-d")
    with subprocess.Popen(
        [*unbuffered, *spy], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as listener:
        try:
            assert listener.stdout is not None
            said = _until(listener.stdout, "Subscribed (mid: 1): 1")

            tokens = [live.provision(f"{name} over HTTP")]
            asked = mosquitto.run(
                "mosquitto_rr", version, "-d", "-u", "provision", "-t", REQUEST, "-e", RESPONSE, "-W", "20",
                "-m", json.dumps(live.request(f"{name} over MQTT")),
            )  # fmt: skip
            (answer,) = [line for line in asked.stdout.splitlines() if line.startswith("{")]
            tokens.append(json.loads(answer)["credentialsValue"])
            listener.terminate()
            said += listener.communicate(timeout=WAIT_S)[0]
        finally:
            listener.kill()

    assert "received PUBLISH" in asked.stdout
    assert "received PUBLISH" not in said
    assert [token for token in tokens if token in said] == []


def _until(output: IO[str], wanted: str) -> str:
    said = ""
    for line in output:
        said += line
        if wanted in line:
            return said
    raise AssertionError(f"{wanted!r} was never said:\n{said}")
