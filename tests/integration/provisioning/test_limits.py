"""PV-3: bounds to the harm of a leaked provision key, each at its edge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.harness import Profile, TestServer, running
from tests.integration.provisioning.asking import refusals
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.errors import InvalidValue
from firstboot.hookspecs import Change, hookimpl
from firstboot.model import ProfileLimits
from firstboot.profiles import parse_networks
from firstboot.secret import Secret


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def server(tmp_path: Path, clock: FakeClock) -> AsyncIterator[TestServer]:
    async with running(tmp_path, clock=clock.clock) as started:
        yield started


async def status(server: TestServer, profile: Profile, name: str | None) -> str:
    answer: str = (await server.post(profile.request(name)))["status"]
    return answer


async def test_pv_3_a_profile_provisions_until_its_last_moment(server: TestServer, clock: FakeClock) -> None:
    demo = await server.profile(limits=ProfileLimits(expires_at_ms=clock.now_ms + 1000))

    clock.advance(1)
    assert await status(server, demo, "meter-1") == "SUCCESS"
    clock.advance(0.001)
    assert await status(server, demo, "meter-2") == "FAILURE"
    assert await refusals(server) == ["profile-expired"]


async def test_pv_3_a_rate_is_filled_up_again_evenly(server: TestServer, clock: FakeClock) -> None:
    demo = await server.profile(limits=ProfileLimits(max_per_minute=2))

    first = [await status(server, demo, None) for _ in range(3)]
    clock.advance(30)
    later = [await status(server, demo, None) for _ in range(2)]

    assert (first, later) == (["SUCCESS", "SUCCESS", "FAILURE"], ["SUCCESS", "FAILURE"])
    assert await refusals(server) == ["rate-limit"] * 2


async def test_pv_3_a_refused_device_does_not_use_up_the_rate(server: TestServer) -> None:
    demo = await server.profile(limits=ProfileLimits(max_per_minute=2))
    assert await status(server, demo, "meter") == "SUCCESS"

    assert [await status(server, demo, "meter") for _ in range(3)] == ["FAILURE"] * 3

    assert await status(server, demo, "other") == "SUCCESS"


async def test_pv_3_a_name_pattern_matches_the_whole_name(server: TestServer) -> None:
    demo = await server.profile(limits=ProfileLimits(name_pattern="meter-[0-9]+"))

    names = ["meter-1", " meter-2 ", "meter-", "xmeter-3", "meter-4x", "METER-5", "meter-6\nmeter-7"]
    taken = [name for name in names if await status(server, demo, name) == "SUCCESS"]

    assert taken == ["meter-1", " meter-2 "]


async def test_pv_3_leaving_the_name_out_is_no_way_around_the_pattern(server: TestServer) -> None:
    strict = await server.profile("strict", limits=ProfileLimits(name_pattern="meter-[0-9]+"))
    drawn = await server.profile("drawn", limits=ProfileLimits(name_pattern="[A-Za-z0-9]{20}"))

    assert await status(server, strict, None) == "FAILURE"
    assert await status(server, drawn, None) == "SUCCESS"
    assert await refusals(server) == ["name-not-allowed"]


async def test_pv_3_a_name_that_a_plugin_chose_matches_the_pattern_too(tmp_path: Path) -> None:
    class Renamer:
        FIRSTBOOT_API = 1

        @hookimpl
        async def firstboot_device_provisioning(self) -> Change:
            return Change(name="router-1")

    async with running(tmp_path, plugins={"renamer": Renamer()}) as server:
        demo = await server.profile(limits=ProfileLimits(name_pattern="meter-[0-9]+"))

        assert await status(server, demo, "meter-1") == "FAILURE"
        assert await refusals(server) == ["name-not-allowed"]


async def test_pv_12_a_catastrophic_pattern_costs_nothing(server: TestServer) -> None:
    demo = await server.profile(limits=ProfileLimits(name_pattern="(a+)+$"))

    # With backtracking, 2^254 steps: the test would end with its time-out.
    assert await status(server, demo, "a" * 254 + "b") == "FAILURE"
    assert await status(server, demo, "a" * 255) == "SUCCESS"


async def test_pv_12_a_pattern_that_cannot_be_run_in_linear_time_is_refused_when_it_is_set(
    server: TestServer,
) -> None:
    for pattern in (r"(a)\1", r"(?=a)a", "(a{1000}){1000}", "(", "[z-a]"):
        with pytest.raises(InvalidValue, match="name pattern"):
            await server.profile(f"p-{pattern}"[:20], limits=ProfileLimits(name_pattern=pattern))


async def test_pv_3_only_allowed_networks(server: TestServer) -> None:
    cases = {
        ("127.0.0.1/32",): "SUCCESS",
        ("192.0.2.0/24", "127.0.0.0/8"): "SUCCESS",
        ("127.0.0.2/32",): "FAILURE",
        ("192.0.2.0/24",): "FAILURE",
        ("::/0",): "FAILURE",
        ("0.0.0.0/0",): "SUCCESS",
        (): "SUCCESS",
    }

    for networks, expected in cases.items():
        limits = ProfileLimits(allowed_networks=parse_networks(networks))
        demo = await server.profile(f"for {networks}", limits=limits)

        assert await status(server, demo, None) == expected
    assert await refusals(server) == ["network-not-allowed"] * 3


async def test_pv_3_an_ipv4_network_holds_for_a_peer_that_an_ipv6_socket_accepted(tmp_path: Path) -> None:
    limits = ProfileLimits(allowed_networks=parse_networks(["127.0.0.0/8"]))
    async with running(tmp_path, http={"bind": "[::]:0"}) as server:
        demo = await server.profile(limits=limits)

        assert await status(server, demo, "meter") == "SUCCESS"


async def test_pv_3_a_profile_can_be_switched_off_and_on(server: TestServer) -> None:
    demo = await server.profile()

    async def switch(enabled: bool) -> None:
        await server.core.profiles.update(replace(demo.profile, enabled=enabled), actor="test")
        await server.services.provisioning.reload_profiles()

    await switch(False)
    assert await status(server, demo, "meter") == "FAILURE"
    await switch(True)
    assert await status(server, demo, "meter") == "SUCCESS"
    assert await refusals(server) == ["profile-disabled"]


async def test_pv_3_a_rotated_secret_stays_valid_for_the_chosen_grace(
    server: TestServer, clock: FakeClock
) -> None:
    demo = await server.profile()
    rotated = await server.core.profiles.rotate_secret(
        demo.profile, grace=timedelta(hours=1), secret=None, actor="test"
    )
    await server.services.provisioning.reload_profiles()
    fresh = replace(demo, secret=rotated.secret.reveal())

    assert fresh.secret != demo.secret
    assert await status(server, fresh, None) == "SUCCESS"
    clock.advance(3600)
    assert await status(server, demo, None) == "SUCCESS"
    clock.advance(0.001)
    assert await status(server, demo, None) == "NOT_FOUND"
    assert await status(server, fresh, None) == "SUCCESS"


async def test_pv_3_a_secret_rotated_without_grace_ends_at_once(server: TestServer) -> None:
    demo = await server.profile()
    await server.core.profiles.rotate_secret(demo.profile, grace=timedelta(0), secret=None, actor="test")
    await server.services.provisioning.reload_profiles()

    assert await status(server, demo, None) == "NOT_FOUND"


async def test_pv_1_a_short_secret_of_an_operator_is_refused(server: TestServer) -> None:
    for secret in ("x", "fifteen-letters"):
        with pytest.raises(InvalidValue, match="16 characters"):
            await server.profile(secret=secret)

    demo = await server.profile("enough", secret="sixteen-letters!")
    with pytest.raises(InvalidValue, match="16 characters"):
        await server.core.profiles.rotate_secret(
            demo.profile, grace=timedelta(0), secret=Secret("short"), actor="test"
        )
    assert not demo.profile.weak_secret


async def test_pv_1_where_short_secrets_are_allowed_they_are_marked(tmp_path: Path) -> None:
    async with running(tmp_path, provisioning={"allow_weak_secrets": True}) as server:
        demo = await server.profile(secret="short")

        assert demo.profile.weak_secret
        assert await status(server, demo, "meter") == "SUCCESS"
