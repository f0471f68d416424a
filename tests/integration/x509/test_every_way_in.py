"""A device with a certificate comes over MQTT, WebSocket, HTTPS or CoAP: it is judged alike (PX-2, PX-3)."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.clients.conftest import paho_mqtt
from tests.integration.clients.live import WAIT_S, outcome_of
from tests.integration.coap.test_dtls import DTLS
from tests.integration.tls.making import Identity, authority, issue
from tests.integration.x509.fleet import Fleet, chain_of, fleet_at
from tests.services import require_tool

__all__ = ["paho_mqtt"]

ANSWERED = '{"credentialsType":"X509_CERTIFICATE"}'


@pytest.fixture
async def fleet(tmp_path: Path, ca: Identity, identity: Identity) -> AsyncIterator[Fleet]:
    patient = {"failures_per_minute": 100_000}
    async with fleet_at(tmp_path, ca, identity, coap=DTLS, provisioning=patient) as started:
        yield started


@dataclass
class Visit:
    """A device with its certificate, at a real client."""

    fleet: Fleet
    cert: Path
    key: Path
    paho: Path

    @property
    def tls(self) -> tuple[object, ...]:
        """Options that curl and mosquitto_pub have in common."""
        return "--cert", self.cert, "--key", self.key

    async def run(self, *command: object) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(*map(str, command), stdout=PIPE, stderr=PIPE)
        async with asyncio.timeout(WAIT_S):
            out, err = await process.communicate()
        return process.returncode, (out + err).decode()

    def url(self, scheme: str, listener: str) -> str:
        return f"{scheme}://localhost:{self.fleet.live.port(listener)}/api/v1/provision"


async def mqtt(visit: Visit) -> bool:
    code, said = await visit.run(
        require_tool("mosquitto_pub"), "--cafile", visit.fleet.live.ca_file, *visit.tls,
        "-h", "localhost", "-p", visit.fleet.live.port("mqtts"), "-q", "1", "-t", "v1/devices/me/telemetry",
        "-m", '{"t":1}',
    )  # fmt: skip
    assert code == 0 or "not authorised" in said
    return code == 0


async def web_socket(visit: Visit) -> bool:
    said = await asyncio.to_thread(
        outcome_of, "paho_program.py", visit.paho, level=5, host="localhost", transport="websockets",
        port=visit.fleet.live.port("mqttwss"), ca=str(visit.fleet.live.ca_file),
        certificate=[str(visit.cert), str(visit.key)], publish="v1/devices/me/telemetry",
    )  # fmt: skip
    assert said["connack"] in (0, 0x87)
    return bool(said["connack"] == 0)


async def https(visit: Visit) -> bool:
    code, said = await visit.run(
        require_tool("curl"), "-sS", "--cacert", visit.fleet.live.ca_file, *visit.tls,
        "--json", ANSWERED, visit.url("https", "https"),
    )  # fmt: skip
    assert code == 0, said
    return bool(json.loads(said)["status"] == "SUCCESS")


async def coap(visit: Visit) -> bool:
    _, said = await visit.run(
        require_tool("coap-client-gnutls"), "-m", "post", "-B", "10", "-R", visit.fleet.live.ca_file,
        "-c", visit.cert, "-j", visit.key, "-e", ANSWERED, visit.url("coaps", "coaps"),
    )  # fmt: skip
    return bool(json.loads(said[said.index("{") :])["status"] == "SUCCESS")


WAYS: dict[str, Callable[[Visit], Awaitable[bool]]] = {
    "mosquitto_pub": mqtt, "paho over WebSocket": web_socket, "curl": https, "coap-client": coap,
}  # fmt: skip


def _by_shift(fleet: Fleet, name: str, *, is_reordered: bool) -> Identity:
    shift = issue("shift", by=fleet.maker, is_ca=True)
    above = (fleet.maker, shift) if is_reordered else (shift, fleet.maker)
    return chain_of(issue(name, by=shift), *above)


CASES: dict[str, tuple[bool, Callable[[Fleet, str], Identity]]] = {
    "good": (True, lambda fleet, name: fleet.device(name)),
    "with one in between": (True, lambda fleet, name: _by_shift(fleet, name, is_reordered=False)),
    "reordered": (True, lambda fleet, name: _by_shift(fleet, name, is_reordered=True)),
    "expired": (False, lambda fleet, name: fleet.device(name, days=(-9, -1))),
    "not-yet-valid": (False, lambda fleet, name: fleet.device(name, days=(1, 9))),
    "of another authority": (False, lambda _, name: issue(name, by=authority("maker"))),
    "self-signed": (False, lambda _, name: issue(name)),
    "of another name": (False, lambda fleet, name: fleet.device(name.replace(".company.", ".elsewhere."))),
}


@pytest.mark.parametrize("way", WAYS)
async def test_px_2_px_3_pv_11_a_certificate_is_judged_alike_whatever_way_it_comes(
    fleet: Fleet, tmp_path: Path, paho_mqtt: Path, way: str, subtests: pytest.Subtests
) -> None:
    for number, (case, (is_good, made)) in enumerate(CASES.items()):
        with subtests.test(case):
            name = f"meter-{number}"
            who = made(fleet, f"{name}.company.com")
            visit = Visit(fleet, *who.write(tmp_path / name), paho_mqtt)

            assert await WAYS[way](visit) is is_good

            assert (await fleet.server.device(name) is not None) is is_good


@pytest.mark.parametrize("way", WAYS)
async def test_a_device_that_was_revoked_is_refused_whatever_way_it_comes(
    fleet: Fleet, tmp_path: Path, paho_mqtt: Path, way: str
) -> None:
    visit = Visit(fleet, *fleet.device().write(tmp_path / "own"), paho_mqtt)
    assert await WAYS[way](visit)

    await fleet.server.services.devices.revoke_credentials(await fleet.found("meter-7"), actor="test")

    assert not await WAYS[way](visit)
