"""Real clients with certificates: paho, ThingsBoard's SDK, mosquitto, curl, openssl."""

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
from tests.integration.tls.making import Identity, authority, issue
from tests.integration.x509.fleet import chain_of
from tests.services import require_tool

from firstboot_plugins.transports.mqtt.packets import Connect

__all__ = ["paho_mqtt", "tb_paho"]

MAKER = authority("maker")
REFUSED_V3 = b"\x20\x02\x00\x05"
ACCEPTED_V3 = b"\x20\x02\x00\x00"


class Live:
    """The server, what devices trust, and where they keep what they have."""

    def __init__(self, live: LiveServer, directory: Path) -> None:
        self.live = live
        self.directory = directory
        self.ca = directory / "data" / "tls" / "ca.crt"

    def port(self, listener: str) -> int:
        return int(self.live.process.listeners[listener]["port"])

    def files(self, who: Identity) -> tuple[str, str]:
        cert, key = who.write(self.directory / "device")
        return str(cert), str(key)

    def show(self, name: str) -> dict[str, Any]:
        return self.live.show(name)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Run a server that is set up with commands alone."""
    directory = tmp_path_factory.mktemp("x509")
    env = environment(directory)
    firstboot(env, "certs", "init")
    (directory / "maker.crt").write_bytes(MAKER.pem)
    firstboot(env, "profile", "create", "by-certificate")
    firstboot(
        env, "ca", "trust", "by-certificate", str(directory / "maker.crt"),
        "--pattern", "(.*)[.]company[.]com", "--allow-create",
    )  # fmt: skip
    tls = directory / "data" / "tls"
    settings = {
        "FIRSTBOOT_TLS__CERT": str(tls / "server.crt"), "FIRSTBOOT_TLS__KEY": str(tls / "server.key"),
        "FIRSTBOOT_MQTT__TLS_BIND": "127.0.0.1:0", "FIRSTBOOT_MQTT__CLIENT_CERTIFICATES": "optional",
        "FIRSTBOOT_HTTP__TLS_BIND": "127.0.0.1:0", "FIRSTBOOT_HTTP__CLIENT_CERTIFICATES": "optional",
    }  # fmt: skip
    with live_server(directory, **settings) as server:
        yield Live(server, directory)


def device(name: str, **fields: Any) -> Identity:
    return chain_of(issue(f"{name}.company.com", by=MAKER, **fields), MAKER)


@pytest.mark.parametrize("level", [3, 4, 5])
def test_paho_logs_in_and_reports_with_its_certificate(live: Live, paho_mqtt: Path, level: int) -> None:
    name = f"paho-{level}"

    said = outcome_of(
        "paho_program.py", paho_mqtt, level=level, port=live.port("mqtts"), ca=str(live.ca),
        certificate=live.files(device(name)), client_id="c", publish="v1/devices/me/telemetry",
    )  # fmt: skip

    assert (said["connack"], said["connected"]) == (0, True)
    assert "puback" in said
    assert live.show(name)["state"] == "in use"


def test_paho_is_refused_with_a_certificate_of_nobody(live: Live, paho_mqtt: Path) -> None:
    said = outcome_of(
        "paho_program.py", paho_mqtt, level=5, port=live.port("mqtts"), ca=str(live.ca),
        certificate=live.files(issue("stranger.company.com")), client_id="c",
    )  # fmt: skip

    assert said["connack"] == 0x87


def test_thingsboards_sdk_stays_connected_with_its_certificate(live: Live, tb_paho: Path) -> None:
    cert, key = live.files(device("tb-device"))

    outcome = outcome_of(
        "tb_program.py", tb_paho, do="connect", port=live.port("mqtts"),
        tls={"tls": True, "ca_certs": str(live.ca), "cert_file": cert, "key_file": key},
    )  # fmt: skip

    assert outcome == {"result": 0, "connected": True, "connected_afterwards": True, "connections": 1}


@pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])
@pytest.mark.parametrize("tls", ["tlsv1.2", "tlsv1.3"])
def test_mosquitto_pub_reports_with_its_certificate(live: Live, version: str, tls: str) -> None:
    done = mosquitto_pub(live, device(f"mosquitto-{version}-{tls}"), "-V", version, "--tls-version", tls)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("days", [(-10, -1), (1, 10)], ids=["expired", "not yet valid"])
def test_mosquitto_pub_is_refused_with_a_certificate_of_another_time(
    live: Live, days: tuple[float, float]
) -> None:
    done = mosquitto_pub(live, device("mosquitto-late", days=days))

    assert done.returncode == 5
    assert "not authorised" in done.stderr


def mosquitto_pub(live: Live, who: Identity, *options: str) -> subprocess.CompletedProcess[str]:
    cert, key = live.files(who)
    return subprocess.run(
        [
            require_tool("mosquitto_pub"), "--cafile", str(live.ca), "--cert", cert, "--key", key,
            "-h", "localhost", "-p", str(live.port("mqtts")), "-q", "1", "-i", "c",
            "-t", "v1/devices/me/telemetry", "-m", '{"temperature":21.5}', *options,
        ],
        capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip


def test_curl_gets_an_answer_for_its_certificate(live: Live) -> None:
    answer = curl(live, device("curl-device"), "{}")

    assert (answer["status"], answer["credentialsType"]) == ("SUCCESS", "X509_CERTIFICATE")
    assert live.show("curl-device")["credentials_type"] == "X509_CERTIFICATE"


def test_openssl_makes_a_key_and_curl_gets_its_certificate(live: Live, tmp_path: Path) -> None:
    """As a device does it in a shell: the key never leaves the folder."""
    openssl = require_tool("openssl")
    key = tmp_path / "own.key"
    made = subprocess.run(
        [openssl, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", str(key), "-subj", "/CN=anything"],
        capture_output=True, text=True, timeout=WAIT_S, check=True,
    )  # fmt: skip

    answer = curl(live, None, json.dumps(live.live.request("shell-device", csr=made.stdout)))

    certificate = tmp_path / "own.crt"
    certificate.write_text(answer["credentialsValue"])
    done = s_client(live, str(certificate), str(key))
    assert done.startswith(ACCEPTED_V3)


@pytest.mark.parametrize("tls", ["-tls1_2", "-tls1_3"])
def test_openssl_s_client_sees_the_handshake_succeed_and_the_connect_refused(live: Live, tls: str) -> None:
    """PX-6."""
    cert, key = live.files(issue("nobody"))

    assert s_client(live, cert, key, tls).startswith(REFUSED_V3)


def test_openssl_s_client_logs_in_with_chain_and_key(live: Live, tmp_path: Path) -> None:
    cert, key = live.files(device("openssl-device"))
    chain = tmp_path / "chain.pem"
    chain.write_bytes(MAKER.pem)

    assert s_client(live, cert, key, "-cert_chain", str(chain)).startswith(ACCEPTED_V3)


def s_client(live: Live, cert: str, key: str, *options: str) -> bytes:
    """Send a CONNECT through OpenSSL; return what the server says."""
    process = subprocess.Popen(
        [
            require_tool("openssl"), "s_client", "-quiet", "-verify_return_error", "-CAfile", str(live.ca),
            "-connect", f"localhost:{live.port('mqtts')}", "-cert", cert, "-key", key, *options,
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(Connect(4, "c", True, 60).encode(4))
        process.stdin.flush()
        return process.stdout.read(4)
    finally:
        process.kill()
        process.communicate()


def curl(live: Live, who: Identity | None, body: str) -> dict[str, Any]:
    cert = [] if who is None else ["--cert", live.files(who)[0], "--key", live.files(who)[1]]
    done = subprocess.run(
        [
            require_tool("curl"), "-sS", "--cacert", str(live.ca), *cert, "--json", body,
            f"https://localhost:{live.port('https')}/api/v1/provision",
        ],
        capture_output=True, text=True, timeout=WAIT_S, check=True,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_everything_is_set_up_and_revoked_with_commands(live: Live, tmp_path: Path) -> None:
    openssl, env = require_tool("openssl"), live.live.process.environment
    who = device("revoked-by-command")
    assert mosquitto_pub(live, who).returncode == 0

    shown = firstboot(env, "ca", "show").stdout
    firstboot(env, "ca", "revoke", "revoked-by-command")
    firstboot(env, "ca", "crl", str(tmp_path / "ca.crl"))

    assert mosquitto_pub(live, who).returncode == 5
    (tmp_path / "ca.pem").write_text(shown)
    text = subprocess.run(
        [openssl, "crl", "-inform", "DER", "-in", str(tmp_path / "ca.crl"), "-CAfile", str(tmp_path / "ca.pem"),
         "-noout"],
        capture_output=True, text=True, timeout=WAIT_S, check=True,
    )  # fmt: skip
    assert "verify OK" in text.stderr
