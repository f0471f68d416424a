"""What a device gets that asks again (threats PV-4, PV-6, PV-7, PV-9), by policy of its profile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.harness import REQUEST_TOPIC, Profile, TestServer, login, running
from tests.integration.provisioning.asking import ask_all, pre_provision, refusals, statuses
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.logins import Match
from firstboot.model import Credentials, ProfileLimits, ReprovisionPolicy
from firstboot.reprovisioning import MAX_VALID
from firstboot.sessions import SessionEnd, device_owner
from firstboot.storage import ConfirmDelivery
from firstboot_plugins.transports.mqtt.packets import Pingreq, Pingresp, Puback, Publish

WINDOW = timedelta(minutes=10)
GRACE = timedelta(hours=1)
BASIC = {"credentialsType": "MQTT_BASIC", "clientId": "c1", "username": "u1", "password": "p1"}
CERTIFICATE = {"credentialsType": "X509_CERTIFICATE", "hash": "TUlJ"}
OWN = {"token": {"token": "own-token"}, "mqtt basic": BASIC, "certificate": CERTIFICATE}


@dataclass
class Scene:
    """A server whose clock stands still."""

    server: TestServer
    clock: FakeClock
    profile: Profile

    async def ask(self, name: str = "meter", **fields: Any) -> dict[str, Any]:
        return await self.server.post(self.profile.request(name, **fields))

    async def logs_in(self, token: str) -> bool:
        code = await login(self.server, username=token)
        assert code in (0, 5), "let in, or not authorised"
        return code == 0


async def a_scene(tmp_path: Path, database: str | None, policy: ReprovisionPolicy) -> AsyncIterator[Scene]:
    clock = FakeClock()
    async with running(tmp_path, database=database, clock=clock.clock) as server:
        profile = await server.profile(reprovision=policy, retry_window=WINDOW, rotation_grace=GRACE)
        yield Scene(server, clock, profile)


@pytest.fixture
async def rejecting(tmp_path: Path, database: str | None) -> AsyncIterator[Scene]:
    async for scene in a_scene(tmp_path, database, ReprovisionPolicy.REJECT):
        yield scene


@pytest.fixture
async def retrying(tmp_path: Path, database: str | None) -> AsyncIterator[Scene]:
    async for scene in a_scene(tmp_path, database, ReprovisionPolicy.RETRY):
        yield scene


@pytest.fixture
async def rotating(tmp_path: Path, database: str | None) -> AsyncIterator[Scene]:
    async for scene in a_scene(tmp_path, database, ReprovisionPolicy.ROTATE):
        yield scene


# -- reject ----------------------------------------------------------------------------------------


async def test_pv_4_and_pv_7_under_reject_whoever_asks_again_changes_nothing(rejecting: Scene) -> None:
    first = await rejecting.ask()

    replays = [await rejecting.ask() for _ in range(10)]
    other = await rejecting.ask(token="attackers-token")
    own = await rejecting.ask(token=first["credentialsValue"])

    assert statuses([*replays, other, own]) == ["FAILURE"] * 12
    assert {*await refusals(rejecting.server)} == {"name-taken"}
    assert await rejecting.logs_in(first["credentialsValue"])
    assert not await rejecting.logs_in("attackers-token")


# -- retry -----------------------------------------------------------------------------------------


async def test_pv_6_and_pv_7_with_credentials_of_its_own_a_device_may_ask_again_and_again(
    retrying: Scene,
) -> None:
    first = {name: await retrying.ask(name, **own) for name, own in OWN.items()}
    retrying.clock.advance(2 * WINDOW.total_seconds())

    for name, own in OWN.items():
        assert [await retrying.ask(name, **own) for _ in range(10)] == [first[name]] * 10

    successes = [row.entry.detail for row in await retrying.server.audit() if row.entry.code == "ok"]
    assert statuses(first.values()) == ["SUCCESS"] * 3
    assert successes.count("created") == 3
    assert successes.count("answered-again") == 30


async def test_pv_6_a_proof_does_not_undo_a_confirmed_delivery(retrying: Scene) -> None:
    first = await retrying.ask()
    device = await retrying.server.device("meter")
    assert device is not None
    await retrying.server.core.commits.submit(ConfirmDelivery(device.id, 1))

    own = await retrying.ask(token=first["credentialsValue"])
    replayed = await retrying.ask()

    assert own == first
    assert replayed["status"] == "FAILURE"
    assert await refusals(retrying.server) == ["not-the-same-device"]


async def test_pv_6_with_its_own_credentials_a_device_may_ask_again_after_it_logged_in(retrying: Scene) -> None:
    first = await retrying.ask(token="own-token")
    assert await retrying.logs_in("own-token")

    assert await retrying.ask(token="own-token") == first


async def test_pv_4_with_other_credentials_nobody_gets_a_device_that_exists(retrying: Scene) -> None:
    own = {"m": BASIC, "x": CERTIFICATE, "t": {"token": "own-token"}}
    first = {name: await retrying.ask(name, **credentials) for name, credentials in own.items()}
    others = (
        ("t", {"token": "attackers-token"}),
        ("t", BASIC),
        ("m", {**BASIC, "password": "p2"}),
        ("m", {**BASIC, "password": ""}),
        ("x", {**CERTIFICATE, "hash": "TUlK"}),
    )

    for name, credentials in others:
        assert (await retrying.ask(name, **credentials))["status"] == "FAILURE"

    assert await refusals(retrying.server) == ["not-the-same-device"] * len(others)
    assert {name: await retrying.ask(name, **credentials) for name, credentials in own.items()} == first


async def test_pv_6_a_lost_answer_is_given_again_within_the_window(retrying: Scene) -> None:
    first = await retrying.ask()
    retrying.clock.advance(WINDOW.total_seconds())

    assert await retrying.ask() == first
    assert await retrying.logs_in(first["credentialsValue"])


async def test_pv_6_after_the_window_a_lost_answer_is_not_given_again(retrying: Scene) -> None:
    first = await retrying.ask()
    retrying.clock.advance(WINDOW.total_seconds() / 2)
    assert await retrying.ask() == first, "and this does not begin another window"
    retrying.clock.advance(WINDOW.total_seconds() / 2 + 0.001)

    assert (await retrying.ask())["status"] == "FAILURE"
    assert await refusals(retrying.server) == ["not-the-same-device"]
    assert await retrying.logs_in(first["credentialsValue"])


async def test_pv_6_once_a_device_has_logged_in_its_answer_is_not_given_again(retrying: Scene) -> None:
    first = await retrying.ask()
    assert await retrying.logs_in(first["credentialsValue"])

    assert (await retrying.ask())["status"] == "FAILURE"


async def test_pv_6_another_request_is_not_answered_again(retrying: Scene) -> None:
    await retrying.ask()

    assert (await retrying.ask(gateway=True))["status"] == "FAILURE"
    assert (await retrying.ask(" meter"))["status"] == "FAILURE"


async def test_pv_6_a_type_that_means_a_token_anyway_makes_no_other_request(retrying: Scene) -> None:
    first = await retrying.ask()

    assert await retrying.ask(credentialsType="MQTT_BASIC") == first


async def provisioned_over_mqtt(scene: Scene, *, acknowledge: bool) -> str:
    peer = await scene.server.provision_peer()
    await peer.subscribe(qos=1)
    await peer.send(Publish(REQUEST_TOPIC, json.dumps(scene.profile.request("meter")).encode()))
    answer = await peer.expect(Publish)
    assert answer.packet_id is not None
    if acknowledge:
        await peer.send(Puback(answer.packet_id))
    await peer.send(Pingreq())
    await peer.expect(Pingresp)
    await peer.close()
    token: str = json.loads(answer.payload)["credentialsValue"]
    return token


async def test_pv_6_an_answer_that_was_acknowledged_is_not_given_again(retrying: Scene) -> None:
    token = await provisioned_over_mqtt(retrying, acknowledge=True)

    assert (await retrying.ask())["status"] == "FAILURE"
    assert await refusals(retrying.server) == ["not-the-same-device"]
    assert await retrying.logs_in(token)


async def test_pv_6_an_answer_that_was_not_acknowledged_is_given_again(retrying: Scene) -> None:
    token = await provisioned_over_mqtt(retrying, acknowledge=False)

    assert (await retrying.ask())["credentialsValue"] == token


async def test_pv_6_an_answer_is_given_again_after_a_restart(tmp_path: Path, database: str | None) -> None:
    clock = FakeClock()

    def server() -> AbstractAsyncContextManager[TestServer]:
        return running(tmp_path, database=database, clock=clock.clock)

    async with server() as started:
        demo = await started.profile(reprovision=ReprovisionPolicy.RETRY)
        first = await started.post(demo.request("meter"))
        own = await started.post(demo.request("other", token="own-token"))

    async with server() as started:
        assert await started.post(demo.request("meter")) == first
        assert await started.post(demo.request("other", token="own-token")) == own


async def test_pv_6_a_pre_provisioned_device_is_answered_again_in_the_same_way(
    tmp_path: Path, database: str | None
) -> None:
    clock = FakeClock()
    async with running(tmp_path, database=database, clock=clock.clock) as server:
        waiting = await server.profile(strategy="check-pre-provisioned", reprovision=ReprovisionPolicy.RETRY)
        await pre_provision(server, waiting, "meter", Credentials("ACCESS_TOKEN", "given-token"))
        request = waiting.request("meter")
        first = await server.post(request)

        assert await server.post(request) == first
        assert await login(server, username="given-token") == 0
        assert (await server.post(request))["status"] == "FAILURE"
        assert await server.post({**request, "token": "given-token"}) == first
        assert await refusals(server) == ["not-the-same-device"]


async def test_pv_9_a_duplicate_that_overtakes_the_answer_gets_the_same(retrying: Scene) -> None:
    request = retrying.profile.request("meter", token="own-token")

    answers = await ask_all(*[(retrying.server, request)] * 20)

    assert answers == [answers[0]] * 20
    assert answers[0]["credentialsValue"] == "own-token"


# -- rotate ----------------------------------------------------------------------------------------


async def test_pv_6_a_device_that_proves_itself_gets_a_new_token_and_the_old_one_has_its_grace(
    rotating: Scene,
) -> None:
    old = (await rotating.ask())["credentialsValue"]
    assert await rotating.logs_in(old)

    new = (await rotating.ask(token=old))["credentialsValue"]

    assert new != old
    assert await rotating.logs_in(new)
    rotating.clock.advance(GRACE.total_seconds())
    assert await rotating.logs_in(old)
    rotating.clock.advance(0.001)
    assert not await rotating.logs_in(old)
    assert await rotating.logs_in(new)


async def test_pv_6_credentials_in_their_grace_prove_a_device_and_not_after_it(rotating: Scene) -> None:
    old = (await rotating.ask())["credentialsValue"]
    assert await rotating.logs_in(old)
    lost = (await rotating.ask(token=old))["credentialsValue"]

    new = await rotating.ask(token=old)
    rotating.clock.advance(GRACE.total_seconds() + 0.001)
    late = await rotating.ask(token=old)

    assert new["status"] == "SUCCESS"
    assert new["credentialsValue"] not in (old, lost)
    assert late["status"] == "FAILURE"
    assert await refusals(rotating.server) == ["not-the-same-device"]
    assert await rotating.logs_in(new["credentialsValue"])


async def test_pv_4_without_a_proof_nothing_is_rotated(rotating: Scene) -> None:
    token = (await rotating.ask())["credentialsValue"]
    assert await rotating.logs_in(token)

    answers = [await rotating.ask(), await rotating.ask(token="attackers-token"), await rotating.ask(**BASIC)]

    assert statuses(answers) == ["FAILURE"] * 3
    assert await refusals(rotating.server) == ["not-the-same-device"] * 3
    assert await rotating.logs_in(token)


async def test_pv_6_a_device_that_never_got_its_answer_gets_another_one(rotating: Scene) -> None:
    lost = (await rotating.ask())["credentialsValue"]

    token = (await rotating.ask())["credentialsValue"]

    assert token != lost
    assert await rotating.logs_in(token)


async def test_pv_6_after_the_window_a_device_that_never_got_its_answer_is_refused(rotating: Scene) -> None:
    await rotating.ask()
    rotating.clock.advance(WINDOW.total_seconds() + 0.001)

    assert (await rotating.ask())["status"] == "FAILURE"


async def test_pv_6_mqtt_basic_is_rotated(rotating: Scene) -> None:
    await rotating.ask(**BASIC)

    new = (await rotating.ask(**BASIC))["credentialsValue"]

    assert new["clientId"] == "c1"
    assert (new["userName"], new["password"]) != ("u1", "p1")
    own = {"client_id": new["clientId"], "username": new["userName"], "password": new["password"].encode()}
    assert await login(rotating.server, **own) == 0
    assert await login(rotating.server, client_id="c1", username="u1", password=b"p1") == 0


async def test_pv_6_a_certificate_is_not_rotated(rotating: Scene) -> None:
    await rotating.ask(**CERTIFICATE)

    assert (await rotating.ask(**CERTIFICATE))["status"] == "FAILURE"
    assert await refusals(rotating.server) == ["cannot-rotate"]


async def test_one_device_cannot_gather_valid_credentials_without_end(rotating: Scene) -> None:
    token = (await rotating.ask(token="first-token"))["credentialsValue"]
    for _ in range(MAX_VALID - 1):
        token = (await rotating.ask(token=token))["credentialsValue"]

    refused = await rotating.ask(token=token)
    rotating.clock.advance(GRACE.total_seconds() + 0.001)
    later = await rotating.ask(token=token)

    assert refused["status"] == "FAILURE"
    assert await refusals(rotating.server) == ["rate-limit"]
    assert later["status"] == "SUCCESS"


async def test_of_many_that_rotate_at_the_same_time_each_that_was_answered_has_a_way_in(rotating: Scene) -> None:
    await rotating.ask(token="old-token")
    request = rotating.profile.request("meter", token="old-token")

    answers = await ask_all(*[(rotating.server, request)] * 20)

    given = [answer["credentialsValue"] for answer in answers if answer["status"] == "SUCCESS"]
    assert given
    results = await asyncio.gather(*(rotating.logs_in(token) for token in (*given, "old-token")))
    assert all(results)


async def test_new_credentials_are_let_in_though_their_change_is_noticed_only_during_the_login(
    rotating: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins, sessions = rotating.server.services.logins, rotating.server.services.sessions
    record = logins.record
    noticed: list[int] = []

    async def record_and_notice(match: Match) -> None:
        await record(match)
        if not noticed:
            noticed.append(match.found.device_id)
            sessions.end(device_owner(match.found.device_id), SessionEnd.CREDENTIALS_CHANGED)

    await rotating.ask(token="old-token")
    new = (await rotating.ask(token="old-token"))["credentialsValue"]
    monkeypatch.setattr(logins, "record", record_and_notice)

    assert await rotating.logs_in(new)
    assert len(noticed) == 1


async def test_pv_6_a_device_asks_again_though_the_profile_is_full_and_its_rate_used_up(
    tmp_path: Path, database: str | None
) -> None:
    clock = FakeClock()
    async with running(tmp_path, database=database, clock=clock.clock) as server:
        limits = ProfileLimits(max_devices=1, max_per_minute=1)
        full = await server.profile(reprovision=ReprovisionPolicy.RETRY, limits=limits)
        first = await server.post(full.request("meter"))
        assert (await server.post(full.request("other")))["status"] == "FAILURE"

        assert await server.post(full.request("meter")) == first
