"""Real clients over TLS and WebSocket, with the certificates that ``firstboot certs init`` makes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.harness import environment, firstboot
from tests.integration.clients.conftest import paho_mqtt, tb_paho
from tests.integration.clients.live import WAIT_S, LiveServer, live_server, outcome_of
from tests.services import require_tool

__all__ = ["paho_mqtt", "tb_paho"]

LISTENERS = {"mqtts": "tcp", "mqttws": "websockets", "mqttwss": "websockets"}
every_listener = pytest.mark.parametrize("listener", LISTENERS)


class Live:
    """The server, and what devices trust."""

    def __init__(self, live: LiveServer, ca: Path) -> None:
        self.live = live
        self.ca = ca

    def port(self, listener: str) -> int:
        return int(self.live.process.listeners[listener]["port"])

    def provision(self, name: str) -> str:
        return self.live.provision(name)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    directory = tmp_path_factory.mktemp("tls")
    firstboot(environment(directory), "certs", "init")
    files = directory / "data" / "tls"
    settings = {
        "FIRSTBOOT_TLS__CERT": files / "server.crt", "FIRSTBOOT_TLS__KEY": files / "server.key",
        "FIRSTBOOT_MQTT__TLS_BIND": "127.0.0.1:0", "FIRSTBOOT_MQTT__WS_BIND": "127.0.0.1:0",
        "FIRSTBOOT_MQTT__WSS_BIND": "127.0.0.1:0", "FIRSTBOOT_HTTP__TLS_BIND": "127.0.0.1:0",
    }  # fmt: skip
    with live_server(directory, **{name: str(value) for name, value in settings.items()}) as server:
        yield Live(server, files / "ca.crt")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    name: str = request.node.name
    return name


@every_listener
@pytest.mark.parametrize("level", [3, 4, 5])
def test_paho_provisions_and_reports_over_each_listener(
    live: Live, name: str, paho_mqtt: Path, listener: str, level: int
) -> None:
    job: dict[str, Any] = {"level": level, "port": live.port(listener), "transport": LISTENERS[listener]}
    if listener != "mqttws":
        job["ca"] = str(live.ca)

    asked = outcome_of(
        "paho_program.py", paho_mqtt, **job, username="provision", request=live.live.request(name), qos=1
    )
    assert asked["answer"]["status"] == "SUCCESS"
    token = asked["answer"]["credentialsValue"]
    said = outcome_of("paho_program.py", paho_mqtt, **job, username=token, publish="v1/devices/me/telemetry")

    assert (said["connack"], said["connected"]) == (0, True)
    assert "puback" in said


def test_tb_mqtt_client_stays_connected_over_tls(live: Live, name: str, tb_paho: Path) -> None:
    outcome = outcome_of(
        "tb_program.py", tb_paho, do="connect", port=live.port("mqtts"), username=live.provision(name),
        tls={"tls": True, "ca_certs": str(live.ca)},
    )  # fmt: skip

    assert outcome == {"result": 0, "connected": True, "connected_afterwards": True, "connections": 1}


@pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])
@pytest.mark.parametrize("tls", ["tlsv1.2", "tlsv1.3"])
def test_mosquitto_pub_reports_with_the_command_that_certs_init_shows(
    live: Live, name: str, version: str, tls: str
) -> None:
    done = mosquitto_pub(live, live.provision(name), "--tls-version", tls, "-V", version)

    assert done.returncode == 0, done.stderr


def test_mosquitto_pub_does_not_trust_a_stranger(live: Live, tmp_path: Path) -> None:
    firstboot(environment(tmp_path), "certs", "init")

    done = mosquitto_pub(live, "token", ca=tmp_path / "data" / "tls" / "ca.crt")

    assert done.returncode != 0
    assert "A TLS error occurred" in done.stderr


def mosquitto_pub(
    live: Live, token: str, *options: str, ca: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            require_tool("mosquitto_pub"), "--cafile", str(ca or live.ca), "-h", "localhost",
            "-p", str(live.port("mqtts")), "-u", token, "-q", "1", "-t", "v1/devices/me/telemetry",
            "-m", '{"temperature":21.5}', *options,
        ],
        capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip


def curl(live: Live, path: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            require_tool("curl"), "-sS", "--cacert", str(live.ca), "-w", "\n%{http_code}",
            f"https://localhost:{live.port('https')}{path}", *options,
        ],
        capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip


def test_curl_provisions_and_reports_over_https(live: Live, name: str) -> None:
    asked = curl(live, "/api/v1/provision", "--json", json.dumps(live.live.request(name)))
    body, status = asked.stdout.rsplit("\n", 1)
    assert (status, json.loads(body)["status"]) == ("200", "SUCCESS"), asked.stderr
    token = json.loads(body)["credentialsValue"]

    said = curl(live, f"/api/v1/{token}/telemetry", "--json", '{"temperature":21.5}')

    assert said.stdout == "\n200", said.stderr


def test_curl_gets_a_body_of_many_records_and_sends_one(live: Live, name: str) -> None:
    """Sixteen KiB are a record; what is longer comes in several."""
    token = live.provision(name)
    value = "x" * 60_000

    sent = curl(live, f"/api/v1/{token}/attributes", "--json", json.dumps({"long": value}))
    got = curl(live, f"/api/v1/{token}/attributes?clientKeys=long")

    assert sent.stdout == "\n200", sent.stderr
    body, status = got.stdout.rsplit("\n", 1)
    assert (status, json.loads(body)) == ("200", {"client": {"long": value}})


@pytest.mark.parametrize("listener", ["mqtts", "mqttwss", "https"])
@pytest.mark.parametrize(
    ("option", "protocol"),
    [("-tls1", None), ("-tls1_1", None), ("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")],
)
def test_se_8_tls_1_2_and_1_3_are_spoken_and_nothing_older(
    live: Live, listener: str, option: str, protocol: str | None
) -> None:
    # Level 0: else the client itself would not offer the old ones.
    done = subprocess.run(
        [
            require_tool("openssl"), "s_client", "-connect", f"localhost:{live.port(listener)}",
            "-CAfile", str(live.ca), "-verify_return_error", option, "-cipher", "ALL:@SECLEVEL=0",
        ],
        input="", capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip

    if protocol is None:
        assert done.returncode != 0
        assert "alert protocol version" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert f"New, {protocol}, Cipher is " in done.stdout


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "NULL", "RC4", "ADH-AES128-SHA"])
def test_se_8_no_weak_cipher_is_spoken(live: Live, cipher: str) -> None:
    done = subprocess.run(
        [
            require_tool("openssl"), "s_client", "-connect", f"localhost:{live.port('mqtts')}",
            "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0",
        ],
        input="", capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert "New, (NONE)" in done.stdout or "no cipher match" in done.stderr
