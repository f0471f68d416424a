"""X509_CERTIFICATE credentials log in over mutual TLS (contract 3.1, 3.3, 3.4)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.harness import Profile
from tests.integration.tls.making import Identity, issue
from tests.integration.x509.fleet import REFUSED_V3, REFUSED_V5, Fleet, chain_of, fleet_at, one_line

from firstboot.model import Credentials
from firstboot.sessions import device_owner
from firstboot_plugins.credentials.lookup_ids import certificate_hash


async def registered(fleet: Fleet, who: Identity, name: str = "meter-7") -> Profile:
    """Provision a device that brings the certificate that it has made."""
    profile = await fleet.server.profile(f"profile of {name}")
    request = profile.request(name, credentialsType="X509_CERTIFICATE", hash=who.pem.decode())
    assert await fleet.server.post(request) == {
        "credentialsValue": one_line(who), "credentialsType": "X509_CERTIFICATE", "status": "SUCCESS",
    }  # fmt: skip
    return profile


async def test_3_4_a_device_logs_in_with_the_certificate_that_it_has_registered(fleet: Fleet) -> None:
    who = issue()
    await registered(fleet, who)

    peer, reason = await fleet.say_connect(who)

    assert reason == 0
    assert fleet.server.services.sessions.is_open(device_owner((await fleet.found("meter-7")).id))
    assert (await fleet.credentials("meter-7")).id == certificate_hash(one_line(who))
    await peer.close()


@pytest.mark.parametrize(("level", "code"), [(3, REFUSED_V3), (4, REFUSED_V3), (5, REFUSED_V5)])
async def test_3_3_a_certificate_that_nobody_has_is_refused_after_the_handshake(
    fleet: Fleet, level: int, code: int
) -> None:
    """PX-6 too: TLS opens, and the CONNECT is refused."""
    assert await fleet.log_in(issue(), level=level) == code


async def test_3_3_with_a_certificate_user_name_and_password_do_not_count(fleet: Fleet) -> None:
    await registered(fleet, who := issue())
    profile = await fleet.server.profile("tokens")
    token = (await fleet.server.post(profile.request("meter-8")))["credentialsValue"]

    assert await fleet.log_in(None, username=token) == 0
    assert await fleet.log_in(issue(), username=token) == REFUSED_V3
    peer, reason = await fleet.say_connect(who, username=token)
    assert reason == 0
    assert fleet.server.services.sessions.is_open(device_owner((await fleet.found("meter-7")).id))
    await peer.close()


async def test_the_hash_of_a_certificate_is_no_user_name(fleet: Fleet) -> None:
    """AU-3: any other type than a token or a login is refused."""
    await registered(fleet, who := issue())

    assert await fleet.log_in(None, username=certificate_hash(one_line(who))) == REFUSED_V3


@pytest.mark.parametrize("days", [(-10, -1), (1, 10)], ids=["expired", "not yet valid"])
async def test_3_4_a_certificate_is_good_only_within_its_dates(fleet: Fleet, days: tuple[float, float]) -> None:
    await registered(fleet, who := issue(days=days))

    assert await fleet.log_in(who) == REFUSED_V3
    assert await fleet.log_in(who, level=5) == REFUSED_V5


@pytest.mark.parametrize("days", [(-10, -1), (1, 10)], ids=["expired", "not yet valid"])
async def test_3_4_dates_may_be_skipped(
    tmp_path: Path, ca: Identity, identity: Identity, days: tuple[float, float]
) -> None:
    skips = {"skip_validity_check_for_client_cert": True}
    async with fleet_at(tmp_path, ca, identity, thingsboard=skips) as fleet:
        await registered(fleet, who := issue(days=days))

        assert await fleet.log_in(who) == 0


async def test_3_4_only_the_devices_own_certificate_counts(fleet: Fleet) -> None:
    """PX-2: a certificate that a registered device has vouched for is not that device (threat PV-11)."""
    who = issue("meter-7", is_ca=True)
    await registered(fleet, who)
    child = chain_of(issue("meter-8.company.com", by=who), who)

    assert await fleet.log_in(child) == REFUSED_V3
    assert await fleet.server.device("meter-8") is None


async def test_a_provision_session_is_one_whatever_the_certificate(fleet: Fleet) -> None:
    """PM-1: checked before any client certificate."""
    assert await fleet.log_in(issue(), username="provision") == 0


async def test_au_6_a_session_ends_when_its_certificate_is_replaced(fleet: Fleet) -> None:
    await registered(fleet, who := issue())
    peer, _ = await fleet.say_connect(who)

    await fleet.server.services.devices.change_credentials(
        await fleet.found("meter-7"), Credentials("ACCESS_TOKEN", "another"), actor="test"
    )

    assert await peer.expect_closed() == []
    assert await fleet.log_in(who) == REFUSED_V3


async def test_a_device_that_is_switched_off_is_refused(fleet: Fleet) -> None:
    await registered(fleet, who := issue())
    await fleet.server.services.devices.set_enabled(await fleet.found("meter-7"), False, actor="test")

    assert await fleet.log_in(who) == REFUSED_V3


async def test_a_chain_in_pem_is_registered_by_its_first_certificate(fleet: Fleet) -> None:
    """ThingsBoard stores a hash that no login reaches (contract 2.5)."""
    who = fleet.device("meter-9.example.com")
    profile = await fleet.server.profile("chains")

    answer = await fleet.server.post(
        profile.request("meter-9", credentialsType="X509_CERTIFICATE", hash=who.pem.decode())
    )

    assert answer["status"] == "SUCCESS"
    assert await fleet.log_in(who) == 0
