"""Each way to be refused has a code of its own, one log line and one audit row, and tells no secret."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import Profile, TestServer, login, running
from tests.integration.provisioning.asking import pre_provision
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.errors import REFUSAL_CODES, Unavailable
from firstboot.hookspecs import Answer, Refuse, hookimpl
from firstboot.logs import JsonFormatter
from firstboot.model import Credentials, Device, ProfileLimits, ReprovisionPolicy
from firstboot.mqtt_passwords import credentials_with_digest
from firstboot.pool_names import read_pattern
from firstboot.profiles import parse_networks

NOT_FOUND = (200, b'{"errorMsg":"Provision data was not found!","status":"NOT_FOUND"}')
FAILURE = (200, b'{"errorMsg":"Failed to provision device!","status":"FAILURE"}')
TOKEN = "a-token-nobody-may-see"
PASSWORD = "a-password-nobody-may-see"
SECRET = "a-secret-nobody-may-see"
BASIC = {"credentialsType": "MQTT_BASIC", "username": "u1", "password": PASSWORD}
CERTIFICATE = {"credentialsType": "X509_CERTIFICATE", "hash": "certificate-nobody-may-see"}


class Meddler:
    """A deciding hook that does what a scenario tells it."""

    FIRSTBOOT_API = 1
    does: Callable[[], Awaitable[Answer]] | None = None

    @hookimpl
    async def firstboot_device_provisioning(self) -> Answer:
        return await self.does() if self.does is not None else None

    @hookimpl
    def firstboot_provisioning_strategies(self) -> list[object]:
        return [Unreachable()]


class Unreachable:
    """A strategy that asks another system, which does not answer."""

    name = "unreachable"

    def decide(self, *asked: object) -> None:
        raise Unavailable("the list of serial numbers cannot be reached")


class Scene:
    """A server, and what scenarios need of it."""

    def __init__(self, server: TestServer, meddler: Meddler, clock: FakeClock) -> None:
        self.server = server
        self.meddler = meddler
        self.clock = clock
        self.secrets = {TOKEN, PASSWORD, SECRET, CERTIFICATE["hash"]}
        self._profiles = 0

    async def profile(self, **fields: Any) -> Profile:
        self._profiles += 1
        made = await self.server.profile(f"profile-{self._profiles}", **fields)
        self.secrets.add(made.secret)
        return made

    async def ask(self, request: Mapping[str, Any]) -> tuple[int, bytes]:
        async with httpx2.AsyncClient() as client:
            response = await client.post(f"{self.server.url}/api/v1/provision", json=request)
        return response.status_code, response.content

    async def used(self, profile: Profile, **fields: Any) -> None:
        """Make a device that has its credentials."""
        assert (await self.server.post(profile.request("used", **fields)))["status"] == "SUCCESS"


Scenario = Callable[[Scene], Awaitable[tuple[int, bytes]]]


async def unknown_key(scene: Scene) -> tuple[int, bytes]:
    return await scene.ask({"provisionDeviceKey": "none", "provisionDeviceSecret": SECRET, "token": TOKEN})


async def wrong_secret(scene: Scene) -> tuple[int, bytes]:
    demo = await scene.profile()
    return await scene.ask({**demo.request("m", token=TOKEN), "provisionDeviceSecret": SECRET})


async def strategy_disabled(scene: Scene) -> tuple[int, bytes]:
    return await scene.ask((await scene.profile(strategy="disabled")).request("m", token=TOKEN))


async def certificate_needed(scene: Scene) -> tuple[int, bytes]:
    return await scene.ask((await scene.profile(strategy="x509-certificate-chain")).request("m", token=TOKEN))


async def invalid_name(scene: Scene) -> tuple[int, bytes]:
    return await scene.ask((await scene.profile()).request("a\u202eb", token=TOKEN))


async def profile_disabled(scene: Scene) -> tuple[int, bytes]:
    return await scene.ask((await scene.profile(enabled=False)).request("m", token=TOKEN))


async def profile_expired(scene: Scene) -> tuple[int, bytes]:
    past = ProfileLimits(expires_at_ms=scene.clock.now_ms - 1)
    return await scene.ask((await scene.profile(limits=past)).request("m", token=TOKEN))


async def network_not_allowed(scene: Scene) -> tuple[int, bytes]:
    elsewhere = ProfileLimits(allowed_networks=parse_networks(["192.0.2.0/24"]))
    return await scene.ask((await scene.profile(limits=elsewhere)).request("m", token=TOKEN))


async def name_not_allowed(scene: Scene) -> tuple[int, bytes]:
    strict = ProfileLimits(name_pattern="x+")
    return await scene.ask((await scene.profile(limits=strict)).request("m", token=TOKEN))


async def device_limit(scene: Scene) -> tuple[int, bytes]:
    full = await scene.profile(limits=ProfileLimits(max_devices=1))
    await scene.used(full)
    return await scene.ask(full.request("m", token=TOKEN))


async def rate_limit(scene: Scene) -> tuple[int, bytes]:
    slow = await scene.profile(limits=ProfileLimits(max_per_minute=1))
    await scene.used(slow)
    return await scene.ask(slow.request("m", token=TOKEN))


async def name_taken(scene: Scene) -> tuple[int, bytes]:
    demo = await scene.profile()
    await scene.used(demo)
    return await scene.ask(demo.request("used", token=TOKEN))


async def not_pre_provisioned(scene: Scene) -> tuple[int, bytes]:
    return await scene.ask((await scene.profile(strategy="check-pre-provisioned")).request("m", token=TOKEN))


async def waiting_device(scene: Scene) -> Profile:
    waiting = await scene.profile(strategy="check-pre-provisioned")
    await pre_provision(scene.server, waiting, "m", Credentials("ACCESS_TOKEN", TOKEN))
    return waiting


async def already_provisioned(scene: Scene) -> tuple[int, bytes]:
    waiting = await waiting_device(scene)
    await scene.server.post(waiting.request("m"))
    return await scene.ask(waiting.request("m"))


async def not_the_same_device(scene: Scene) -> tuple[int, bytes]:
    demo = await scene.profile(reprovision=ReprovisionPolicy.RETRY)
    await scene.used(demo, **BASIC)
    return await scene.ask(demo.request("used", token=TOKEN))


async def token_in_use(scene: Scene) -> tuple[int, bytes]:
    demo = await scene.profile()
    await scene.used(demo, token=TOKEN)
    return await scene.ask(demo.request("m", token=TOKEN))


async def bad_credentials_request(scene: Scene) -> tuple[int, bytes]:
    demo = await scene.profile()
    return await scene.ask(demo.request("m", credentialsType="MQTT_BASIC", password=PASSWORD))


async def cannot_rotate(scene: Scene) -> tuple[int, bytes]:
    demo = await scene.profile(reprovision=ReprovisionPolicy.ROTATE, rotation_grace=timedelta(hours=1))
    await scene.used(demo, **CERTIFICATE)
    return await scene.ask(demo.request("used", **CERTIFICATE))


async def cannot_be_told(scene: Scene) -> tuple[int, bytes]:
    waiting = await scene.profile(strategy="check-pre-provisioned")
    kept = credentials_with_digest("the look-up id", "m", "u1", PASSWORD)
    await pre_provision(scene.server, waiting, "m", kept)
    return await scene.ask(waiting.request("m"))


async def profile_gone(scene: Scene) -> tuple[int, bytes]:
    demo = await scene.profile()

    async def delete() -> None:
        await scene.server.core.profiles.delete(demo.profile, actor="test")

    scene.meddler.does = delete
    answer = await scene.ask(demo.request("m", token=TOKEN))
    assert await scene.server.device("m") is None, "PV-14: never a device of a deleted profile"
    return answer


async def device_gone(scene: Scene) -> tuple[int, bytes]:
    waiting = await waiting_device(scene)

    async def delete() -> None:
        await scene.server.core.devices.delete(await scene.server.core.devices.get(1, "m"), actor="test")

    scene.meddler.does = delete
    return await scene.ask(waiting.request("m"))


async def vetoed(scene: Scene) -> tuple[int, bytes]:
    async def veto() -> Refuse:
        return Refuse("not on my list")

    scene.meddler.does = veto
    return await scene.ask((await scene.profile()).request("m", token=TOKEN))


async def plugin_error(scene: Scene) -> tuple[int, bytes]:
    async def fail() -> None:
        raise RuntimeError(TOKEN)

    scene.meddler.does = fail
    return await scene.ask((await scene.profile()).request("m", token=TOKEN))


async def bad_request(scene: Scene) -> tuple[int, bytes]:
    status, body = await scene.ask({"provisionDeviceKey": {}, "provisionDeviceSecret": SECRET, "token": TOKEN})
    return status, body[:12]


async def unavailable(scene: Scene) -> tuple[int, bytes]:
    unreachable = await scene.profile(strategy="unreachable")
    status, body = await scene.ask(unreachable.request("m", token=TOKEN))
    return status, body[:12]


async def no_hardware_id(scene: Scene) -> tuple[int, bytes]:
    return await scene.ask((await scene.profile(strategy="pool")).request(token=TOKEN))


async def hardware_not_allowed(scene: Scene) -> tuple[int, bytes]:
    pool = await scene.profile(strategy="pool", details={"pool": {"hardware_ids": ["AABBCC"]}})
    return await scene.ask(pool.request("DDEEFF", token=TOKEN))


async def pool_empty(scene: Scene) -> tuple[int, bytes]:
    return await scene.ask((await scene.profile(strategy="pool")).request("AABBCC", token=TOKEN))


async def try_again(scene: Scene) -> tuple[int, bytes]:
    pool = await scene.profile(strategy="pool")
    pools = scene.server.services.pools
    (device,) = await pools.fill_by_pattern(pool.profile, read_pattern("m-{seq}"), 1, actor="test")
    assert isinstance(device, Device)

    async def take_back() -> None:
        await pools.release(device, actor="test")

    scene.meddler.does = take_back
    return await scene.ask(pool.request("AABBCC", token=TOKEN))


SCENARIOS: dict[str, tuple[Scenario, tuple[int, bytes]]] = {
    "unknown-key": (unknown_key, NOT_FOUND),
    "wrong-secret": (wrong_secret, NOT_FOUND),
    "strategy-disabled": (strategy_disabled, NOT_FOUND),
    "certificate-needed": (certificate_needed, NOT_FOUND),
    "invalid-name": (invalid_name, FAILURE),
    "profile-disabled": (profile_disabled, FAILURE),
    "profile-expired": (profile_expired, FAILURE),
    "network-not-allowed": (network_not_allowed, FAILURE),
    "name-not-allowed": (name_not_allowed, FAILURE),
    "device-limit": (device_limit, FAILURE),
    "rate-limit": (rate_limit, FAILURE),
    "name-taken": (name_taken, FAILURE),
    "not-pre-provisioned": (not_pre_provisioned, FAILURE),
    "already-provisioned": (already_provisioned, FAILURE),
    "not-the-same-device": (not_the_same_device, FAILURE),
    "no-hardware-id": (no_hardware_id, FAILURE),
    "hardware-not-allowed": (hardware_not_allowed, FAILURE),
    "pool-empty": (pool_empty, FAILURE),
    "try-again": (try_again, FAILURE),
    "token-in-use": (token_in_use, FAILURE),
    "bad-credentials-request": (bad_credentials_request, FAILURE),
    "cannot-rotate": (cannot_rotate, FAILURE),
    "cannot-be-told": (cannot_be_told, FAILURE),
    "profile-gone": (profile_gone, FAILURE),
    "device-gone": (device_gone, FAILURE),
    "vetoed": (vetoed, FAILURE),
    "plugin-error": (plugin_error, FAILURE),
    "bad-request": (bad_request, (500, b'{"status":50')),
    "unavailable": (unavailable, (503, b'{"status":50')),
}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    meddler, clock = Meddler(), FakeClock()
    async with running(tmp_path, plugins={"meddler": meddler}, clock=clock.clock) as server:
        yield Scene(server, meddler, clock)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(JsonFormatter().format(record) for record in caplog.records)


OVER_TLS = {"certificate-not-trusted", "certificate-name", "device-disabled", "too-early"}
"""Of devices that show a certificate: see tests/integration/x509."""
IN_DIALECTS = {"credentials-mismatch"}
"""Of devices that ask in another dialect: see tests/integration/thinger/test_ensure.py."""


def test_each_code_has_a_scenario() -> None:
    assert SCENARIOS.keys() | OVER_TLS | IN_DIALECTS == REFUSAL_CODES.keys()


@pytest.mark.parametrize("code", SCENARIOS)
async def test_a_refusal_leaves_one_line_and_one_row_with_its_code_and_no_secret(
    scene: Scene, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    caplog.set_level(logging.DEBUG, "firstboot")
    scenario, expected = SCENARIOS[code]

    answer = await scenario(scene)

    lines = [record for record in caplog.records if record.message == "device refused"]
    assert [record.__dict__["code"] for record in lines] == [code]
    rows = [row.entry for row in await scene.server.audit() if row.entry.event == "provisioning-refused"]
    # Nothing was decided when the server was not able to; the audit log has decisions only.
    assert [row.code for row in rows] == ([] if code == "unavailable" else [code])
    assert all((row.address, row.transport, row.dialect) == ("127.0.0.1", "http", "thingsboard") for row in rows)
    everything = repr(rows) + logged(caplog)
    assert [secret for secret in scene.secrets if secret in everything] == []
    assert answer == expected


async def test_a_success_leaves_one_line_and_one_row_and_no_secret(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "firstboot")
    demo = await scene.profile(reprovision=ReprovisionPolicy.ROTATE)

    first = await scene.server.post(demo.request("meter", **BASIC))
    rotated = await scene.server.post(demo.request("meter", **BASIC))
    drawn = await scene.server.post(demo.request("other"))
    await login(scene.server, username="u1", password=PASSWORD.encode())
    await login(scene.server, username=TOKEN)

    lines = [record.__dict__ for record in caplog.records if record.message == "device provisioned"]
    rows = [row.entry for row in await scene.server.audit() if row.entry.event == "device-provisioned"]
    assert [line["how"] for line in lines] == [row.detail for row in rows] == ["created", "rotated", "created"]
    assert [row.device for row in rows] == ["meter", "meter", "other"]
    assert first["status"] == rotated["status"] == "SUCCESS"
    secrets = {
        *scene.secrets,
        rotated["credentialsValue"]["userName"],
        rotated["credentialsValue"]["password"],
        drawn["credentialsValue"],
    }
    everything = repr(await scene.server.audit()) + logged(caplog)
    assert [secret for secret in secrets if secret in everything] == []


async def test_text_that_a_database_cannot_keep_is_escaped_in_the_audit_log(scene: Scene) -> None:
    demo = await scene.profile()

    await scene.ask(demo.request("a\nb\u202ec"))

    rows = [row.entry for row in await scene.server.audit() if row.entry.event == "provisioning-refused"]
    assert [row.device for row in rows] == ["a\\nb\\u202ec"]


async def test_a_name_without_end_is_cut_in_log_and_audit(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "firstboot")
    demo = await scene.profile()

    await scene.ask(demo.request("n" * 60_000))

    rows = [row.entry for row in await scene.server.audit() if row.entry.event == "provisioning-refused"]
    assert [row.device for row in rows] == ["n" * 256]
    (line,) = [record for record in caplog.records if record.message == "device refused"]
    assert len(str(line.__dict__)) < 2000


async def test_a_disabled_profile_s_right_secret_is_not_confirmed_by_a_hook(scene: Scene) -> None:
    disabled = await scene.profile(strategy="disabled")

    async def fail() -> None:
        raise AssertionError("a hook was asked for a device that its strategy refused")

    scene.meddler.does = fail

    assert await scene.ask(disabled.request("m")) == NOT_FOUND
    assert await scene.ask(replace(disabled, secret=SECRET).request("m")) == NOT_FOUND
