"""SE-8, OP-14: new certificates are taken while the server runs; broken ones change nothing."""

from __future__ import annotations

import json
import logging
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from tests.harness import WAIT_S, MqttPeer, server_process
from tests.integration.mqtt.probe import until
from tests.integration.tls.making import Identity, issue
from tests.integration.tls.secured import Secured

from firstboot_plugins.transports.mqtt.packets import Pingreq, Pingresp


@pytest.fixture
def renewed(ca: Identity) -> Identity:
    return issue("renewed", by=ca, hosts=["localhost"])


async def is_alive(peer: MqttPeer) -> bool:
    await peer.send(Pingreq())
    return isinstance(await peer.receive(), Pingresp)


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(record.__dict__.get("reason")) for record in caplog.records if record.levelno >= logging.ERROR]


async def test_se_8_new_files_are_taken_by_themselves_and_sessions_stay(
    live: Secured, identity: Identity, renewed: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    before = await live.open()
    assert await live.connack(before, username="provision") == 0
    assert await live.served_certificate() == identity.der

    renewed.write(live.directory)
    taken = live.tls._files
    await until(lambda: live.tls._files is not taken)

    for listener in ("mqtts", "mqttwss", "https"):
        assert await live.served_certificate(listener=listener) == renewed.der
    assert await is_alive(before)
    assert errors_in(caplog) == []
    await before.close()


async def test_files_that_are_still_being_written_are_waited_for(
    live: Secured, identity: Identity, renewed: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    cert, _ = identity.write(live.directory)
    await live.tls.reload()

    cert.write_bytes(renewed.pem)  # and not the key yet
    await live.tls.look()
    renewed.write(live.directory)
    await live.tls.look()
    assert await live.served_certificate() == identity.der
    await live.tls.look()

    assert await live.served_certificate() == renewed.der
    assert errors_in(caplog) == []


@pytest.mark.parametrize("broken", ["absent", "empty", "other key", "expired", "not yet valid", "no CA"])
async def test_op_14_with_broken_files_the_old_certificates_stay_in_force(
    live: Secured, ca: Identity, identity: Identity, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = live.directory / "server.crt", live.directory / "server.key"
    match broken:
        case "absent":
            cert.unlink()
        case "empty":
            cert.write_bytes(b"")
        case "other key":
            key.write_bytes(issue().key_pem())
        case "expired":
            issue("late", by=ca, hosts=["localhost"], days=(-9, -1)).write(live.directory)
        case "not yet valid":
            issue("early", by=ca, hosts=["localhost"], days=(1, 9)).write(live.directory)
        case _:
            cert.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    assert not await live.tls.reload()
    await live.tls.look()  # nothing has changed since: it is said once

    assert await live.served_certificate() == identity.der
    (error,) = errors_in(caplog)
    assert "server.crt" in error or "server.key" in error
    assert (await live.server.services.health()).status == "ok"


async def test_op_14_mended_files_are_taken(
    live: Secured, identity: Identity, renewed: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    (live.directory / "server.crt").unlink()
    assert not await live.tls.reload()

    renewed.write(live.directory)
    await live.tls.look()
    await live.tls.look()

    assert await live.served_certificate() == renewed.der


def certificate_of(port: int, ca_file: Path) -> bytes:
    context = ssl.create_default_context(cafile=ca_file)
    with (
        socket.create_connection(("127.0.0.1", port), WAIT_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        der = secured.getpeercert(True)
    assert der is not None
    return der


def test_se_8_sighup_reads_the_certificates_anew_in_a_server_of_its_own(
    tmp_path: Path, ca: Identity, identity: Identity, renewed: Identity
) -> None:
    directory = tmp_path / "tls"
    cert, key = identity.write(directory)
    (directory / "ca.crt").write_bytes(ca.pem)
    settings = {
        "FIRSTBOOT_TLS__CERT": str(cert), "FIRSTBOOT_TLS__KEY": str(key),
        "FIRSTBOOT_MQTT__TLS_BIND": "127.0.0.1:0",
    }  # fmt: skip
    log = tmp_path / "server.log"

    with server_process(tmp_path, **settings) as server:
        port = server.listeners["mqtts"]["port"]
        assert certificate_of(port, directory / "ca.crt") == identity.der
        # The same files once more: only the signal says that they are to be read.
        server.process.send_signal(signal.SIGHUP)
        with subprocess.Popen(["tail", "-n", "+1", "-f", str(log)], stdout=subprocess.PIPE, text=True) as tail:
            assert tail.stdout is not None
            said = next(line for line in tail.stdout if "certificates are read" in line)
            tail.kill()
        assert json.loads(said)["level"] == "info"
        assert server.process.poll() is None
        assert server.stop() == 0


def test_sighup_does_not_end_a_server_without_certificates(tmp_path: Path) -> None:
    with server_process(tmp_path) as server:
        server.process.send_signal(signal.SIGHUP)

        assert server.stop() == 0
