"""Two servers on one PostgreSQL: each issues, renews and takes back certificates for both (threat MQ-10)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from tests.harness import TestServer
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.tls.making import Identity
from tests.integration.tls.secured import secured
from tests.integration.x509.fleet import REFUSED_V3, Fleet, csr, fleet_at, issued

KEY = "5" * 64
"""Server key of both."""
DAY_S = 86_400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(round(time.time() * 1000))


@pytest.fixture
async def fleets(
    tmp_path: Path, ca: Identity, identity: Identity, postgres_database: str, clock: FakeClock
) -> AsyncIterator[tuple[Fleet, Fleet]]:
    """Run two servers; the devices of the one are those of the other."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    shared: dict[str, Any] = {"database": postgres_database, "server": {"key": KEY}, "clock": clock.clock}
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(fleet_at(tmp_path / "one", ca, identity, **shared))
        live = await stack.enter_async_context(secured(tmp_path / "two", ca, identity, **shared))
        yield one, Fleet(live, one.root, one.maker, one.profile)


async def enrolled(fleet: Fleet, by: Identity | None = None) -> Identity:
    key, request = csr()
    answer = await fleet.post(by or fleet.device(), {"csr": request})
    return issued(key, answer["credentialsValue"])


async def listed(server: TestServer) -> set[int]:
    async with httpx2.AsyncClient() as client:
        response = await client.get(f"{server.url}/api/firstboot/ca.crl")
    return {each.serial_number for each in x509.load_der_x509_crl(response.content)}


async def test_mq_10_a_certificate_that_is_revoked_at_one_server_ends_sessions_and_logins_at_the_other(
    fleets: tuple[Fleet, Fleet], clock: FakeClock
) -> None:
    one, two = fleets
    who = await enrolled(one)
    peer, reason = await two.say_connect(who)
    assert reason == 0
    assert await listed(two.server) == set()

    await one.server.services.devices.revoke_credentials(await one.found("meter-7"), actor="test")

    assert await peer.expect_closed() == []
    assert await two.log_in(who) == REFUSED_V3
    clock.advance(2)  # a list may be a second old
    assert await listed(two.server) == {who.certificate.serial_number}


async def test_both_servers_issue_with_one_authority_and_know_what_the_other_has_issued(
    fleets: tuple[Fleet, Fleet],
) -> None:
    one, two = fleets
    # At the same moment, when there is no authority yet.
    here, there = await asyncio.gather(
        enrolled(one, one.device("meter-1.company.com")), enrolled(two, two.device("meter-2.company.com"))
    )

    assert here.above == there.above
    assert [await two.log_in(here), await one.log_in(there)] == [0, 0]


async def test_a_certificate_that_is_renewed_at_one_server_is_good_at_both_beside_the_old_one(
    fleets: tuple[Fleet, Fleet], clock: FakeClock
) -> None:
    one, two = fleets
    old = await enrolled(one)
    clock.advance(300 * DAY_S)

    new = await enrolled(two, old)

    assert [await fleet.log_in(each) for fleet in fleets for each in (new, old)] == [0, 0, 0, 0]
    clock.advance(2 * DAY_S)
    assert [await fleet.log_in(each) for fleet in fleets for each in (new, old)] == [0, REFUSED_V3, 0, REFUSED_V3]
