"""Strategy x509-certificate-chain: rules PX-1 to PX-9 of the contract, with a real path validation (PV-11)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from tests.harness import REQUEST_TOPIC
from tests.integration.tls.making import Identity, authority, issue
from tests.integration.x509.fleet import REFUSED_V3, REFUSED_V5, Fleet, chain_of, one_line

from firstboot.model import PROVISIONED, Credentials, DeviceProfile, ReprovisionPolicy
from firstboot_plugins.credentials.lookup_ids import certificate_hash
from firstboot_plugins.strategies.certificate_options import PATTERN
from firstboot_plugins.strategies.certificate_settings import CertificateSettings, applied
from firstboot_plugins.transports.mqtt.packets import Publish


async def test_px_2_a_chain_to_the_profiles_authority_makes_the_device(fleet: Fleet) -> None:
    who = fleet.device()

    assert await fleet.log_in(who) == 0

    device = await fleet.found("meter-7")
    assert device.profile_id == fleet.profile.profile.id
    assert device.provision_state == PROVISIONED
    credentials = await fleet.credentials("meter-7")
    assert (credentials.type, credentials.id) == ("X509_CERTIFICATE", certificate_hash(one_line(who)))


async def test_px_2_the_first_authority_in_the_order_sent_decides(fleet: Fleet) -> None:
    """A failure there ends the search, although one above would take the device."""
    await proving(fleet, "by-root", fleet.root, allow_create=True)
    await fleet.change(allow_create=False)
    who = chain_of(issue("meter-7.company.com", by=fleet.maker), fleet.maker, fleet.root)

    assert await fleet.log_in(who) == REFUSED_V3
    assert await fleet.refusals() == ["not-pre-provisioned"]
    assert await fleet.log_in(chain_of(issue("meter-7", by=fleet.root), fleet.root)) == 0


async def test_px_2_a_profile_of_another_strategy_with_that_key_is_skipped(fleet: Fleet) -> None:
    sister = issue("sister", by=fleet.root, is_ca=True)
    other = await fleet.server.profile("tokens", key=certificate_hash(one_line(sister)))
    by_root = await proving(fleet, "by-root", fleet.root, allow_create=True)

    assert await fleet.log_in(chain_of(issue("meter-7", by=sister), sister, fleet.root)) == 0

    assert (await fleet.found("meter-7")).profile_id == by_root.id != other.profile.id


async def test_px_7_a_handshake_alone_makes_nothing(fleet: Fleet) -> None:
    """ThingsBoard makes the device then; here it is made with the CONNECT, and a scan of ports makes none."""
    peer = await fleet.live.open(fleet.live.client(fleet.device()))
    await peer.close()

    assert await fleet.log_in(fleet.device("meter-8.company.com")) == 0

    assert await fleet.server.device("meter-7") is None


async def proving(fleet: Fleet, name: str, authority: Identity, **settings: Any) -> DeviceProfile:
    """Make a further profile whose devices an authority vouches for."""
    profiles = fleet.server.core.profiles
    made = (await fleet.server.profile(name)).profile
    wanted = CertificateSettings(authority=authority.pem.decode(), counts=True, **settings)
    changed = await profiles.update(applied(wanted, made, profiles), actor="test")
    await fleet.server.services.provisioning.reload_profiles()
    return changed


async def test_px_8_it_may_come_back_any_number_of_times(fleet: Fleet) -> None:
    who = fleet.device()

    assert [await fleet.log_in(who) for _ in range(3)] == [0, 0, 0]
    assert sum(row.entry.event == "device-provisioned" for row in await fleet.server.audit()) == 1


async def test_a_device_may_leave_out_its_authority(fleet: Fleet) -> None:
    """TLS lets clients leave out what the server has to have: most do."""
    assert await fleet.log_in(issue("meter-7.company.com", by=fleet.maker)) == 0


async def test_the_order_of_the_others_does_not_matter(fleet: Fleet) -> None:
    shift = issue("shift", by=fleet.maker, is_ca=True)
    leaf = issue("meter-7.company.com", by=shift)

    assert await fleet.log_in(chain_of(leaf, fleet.root, fleet.maker, shift)) == 0


async def test_px_4_the_leaf_is_replaced_by_the_next_one(fleet: Fleet) -> None:
    first, second = fleet.device(days=(-2, 90)), fleet.device(days=(-1, 90))
    assert await fleet.log_in(first) == 0

    peer, reason = await fleet.say_connect(second)

    assert reason == 0
    assert (await fleet.credentials("meter-7")).id == certificate_hash(one_line(second))
    events = [row.entry.event for row in await fleet.server.audit() if row.entry.device == "meter-7"]
    assert events == ["device-provisioned"] * 2, "it is audited (threat PV-11)"
    await peer.close()


async def test_a_leaf_that_was_replaced_does_not_come_back(fleet: Fleet) -> None:
    first, second = fleet.device(days=(-2, 90)), fleet.device(days=(-1, 90))
    assert await fleet.log_in(first) == 0
    assert await fleet.log_in(second) == 0

    assert await fleet.log_in(first) == REFUSED_V3

    assert (await fleet.credentials("meter-7")).id == certificate_hash(one_line(second))
    assert await fleet.refusals() == ["not-the-same-device"]


async def test_px_4_other_kinds_of_credentials_stay(fleet: Fleet) -> None:
    assert await fleet.log_in(fleet.device()) == 0
    await fleet.server.services.devices.change_credentials(
        await fleet.found("meter-7"), Credentials("ACCESS_TOKEN", "a-token"), actor="test"
    )

    assert await fleet.log_in(fleet.device(days=(0, 90))) == REFUSED_V3

    assert (await fleet.credentials("meter-7")).id == "a-token"


async def test_px_5_without_allow_create_only_devices_that_exist_get_in(fleet: Fleet) -> None:
    assert await fleet.log_in(fleet.device()) == 0
    await fleet.change(allow_create=False)

    assert await fleet.log_in(fleet.device("meter-8.company.com")) == REFUSED_V3
    assert await fleet.log_in(fleet.device(days=(0, 90))) == 0

    assert await fleet.server.device("meter-8") is None
    assert await fleet.refusals() == ["not-pre-provisioned"]


async def test_px_5_a_name_of_another_profile_is_taken(fleet: Fleet) -> None:
    profile = await fleet.server.profile("others")
    await fleet.server.post(profile.request("meter-7"))

    assert await fleet.log_in(fleet.device()) == REFUSED_V3

    assert await fleet.refusals() == ["name-taken"]
    assert (await fleet.found("meter-7")).profile_id == profile.profile.id


@pytest.mark.parametrize(
    ("pattern", "common_name", "name"),
    [
        (r"(.*)\.company.com", "DeviceA.company.com", "DeviceA"),
        (r"(.*)@company.com", "DeviceA@company.com", "DeviceA"),
        (r"prefix(.*)suffix@company.com", "prefixDeviceAsuffix@company.com", "DeviceA"),
        (r"\D+\.(.*)\.\d+@company.com", "region.DeviceA.220423@company.com", "DeviceA"),
        (r"([^@]+)", "deviceCertificate@X509ProvisionStrategy", "deviceCertificate"),
    ],
)
async def test_px_3_the_pattern_finds_the_name(fleet: Fleet, pattern: str, common_name: str, name: str) -> None:
    await fleet.change(pattern=pattern)

    assert await fleet.log_in(fleet.device(common_name)) == 0

    assert await fleet.server.device(name) is not None


@pytest.mark.parametrize(
    ("common_name", "code"),
    [("meter-7.elsewhere.org", "certificate-name"), (".company.com", "certificate-name"),
     (" .company.com", "invalid-name"), ("<b>.company.com", "invalid-name")],
)  # fmt: skip
async def test_px_3_a_wrong_common_name_is_refused(fleet: Fleet, common_name: str, code: str) -> None:
    assert await fleet.log_in(fleet.device(common_name)) == REFUSED_V3

    assert await fleet.refusals() == [code]


NAMES = {
    "of two common names the first counts": (["meter-7.company.com", "meter-8.company.com"], "meter-7"),
    "no common name": ([], None),
}


@pytest.mark.parametrize(("common_names", "name"), NAMES.values(), ids=NAMES)
async def test_px_3_the_first_common_name_is_the_name(
    fleet: Fleet, common_names: list[str], name: str | None
) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each) for each in common_names])

    reason = await fleet.log_in(issue(by=fleet.maker, subject=subject))

    assert reason == (0 if name else REFUSED_V3)
    assert await fleet.refusals() == ([] if name else ["certificate-name"])
    assert [await fleet.server.device(each) is not None for each in ("meter-7", "meter-8")] == [bool(name), False]


async def test_px_3_a_pattern_without_a_group_finds_nothing(fleet: Fleet) -> None:
    """ThingsBoard's REST call takes such a pattern."""
    profiles = fleet.server.core.profiles
    profile = await profiles.get(1, "by-certificate")
    await profiles.update(replace(profile, details={**profile.details, PATTERN: "meter"}), actor="test")
    await fleet.server.services.provisioning.reload_profiles()

    assert await fleet.log_in(fleet.device()) == REFUSED_V3

    assert await fleet.refusals() == ["certificate-name"]


async def test_a_profile_that_is_switched_off_takes_nobody(fleet: Fleet) -> None:
    profiles = fleet.server.core.profiles
    await profiles.set_enabled(await profiles.get(1, "by-certificate"), False, actor="test")
    await fleet.server.services.provisioning.reload_profiles()

    assert await fleet.log_in(fleet.device()) == REFUSED_V3

    assert await fleet.refusals() == ["profile-disabled"]


async def test_a_device_that_is_switched_off_does_not_come_in_by_another_leaf(fleet: Fleet) -> None:
    assert await fleet.log_in(fleet.device()) == 0
    await fleet.server.services.devices.set_enabled(await fleet.found("meter-7"), False, actor="test")

    assert await fleet.log_in(fleet.device(days=(0, 90))) == REFUSED_V3

    assert await fleet.refusals() == ["device-disabled"]


async def test_where_the_profile_rotates_the_old_leaf_stays_good_for_its_grace(fleet: Fleet) -> None:
    profiles = fleet.server.core.profiles
    profile = await profiles.get(1, "by-certificate")
    await profiles.update(replace(profile, reprovision=ReprovisionPolicy.ROTATE), actor="test")
    await fleet.server.services.provisioning.reload_profiles()
    first, second = fleet.device(days=(-2, 90)), fleet.device(days=(-1, 90))

    assert [await fleet.log_in(each) for each in (first, second, first)] == [0, 0, 0]


# -- paths that do not lead to the authority -------------------------------------------------------


BAD_LEAVES = {
    "expired": {"days": (-10, -1)},
    "not yet valid": {"days": (1, 10)},
    "an authority itself": {"is_ca": True},
}


@pytest.mark.parametrize("fields", BAD_LEAVES.values(), ids=BAD_LEAVES)
async def test_pv_11_a_bad_leaf_is_refused(fleet: Fleet, fields: dict[str, object]) -> None:
    assert await fleet.log_in(fleet.device(**fields)) == REFUSED_V3

    assert await fleet.server.device("meter-7") is None


async def test_pv_11_a_device_cannot_vouch_for_another(fleet: Fleet) -> None:
    """The forged chain that ThingsBoard takes."""
    thief = issue("thief.company.com", by=fleet.maker)
    forged = chain_of(issue("meter-7.company.com", by=thief), thief, fleet.maker)

    assert await fleet.log_in(forged) == REFUSED_V3
    assert await fleet.log_in(forged, level=5) == REFUSED_V5

    assert await fleet.server.device("meter-7") is None
    assert set(await fleet.refusals()) == {"certificate-not-trusted"}


async def test_pv_11_another_authority_of_the_same_name_is_another(fleet: Fleet) -> None:
    impostor = issue("maker", by=authority("root of the makers"), is_ca=True)

    assert await fleet.log_in(chain_of(issue("meter-7.company.com", by=impostor), impostor)) == REFUSED_V3
    assert await fleet.log_in(chain_of(issue("meter-7.company.com", by=impostor), fleet.maker)) == REFUSED_V3

    assert await fleet.server.device("meter-7") is None


async def test_pv_11_a_sister_of_the_authority_is_none(fleet: Fleet) -> None:
    """The profile trusts one authority of the root, and not the root."""
    sister = issue("sister", by=fleet.root, is_ca=True)

    assert await fleet.log_in(chain_of(issue("meter-7.company.com", by=sister), sister, fleet.root)) == REFUSED_V3


async def test_pv_11_the_authoritys_certificate_alone_is_no_device(fleet: Fleet) -> None:
    assert await fleet.log_in(fleet.maker) == REFUSED_V3


async def test_pv_11_six_certificates_are_too_many(fleet: Fleet) -> None:
    above = [issue("one", by=fleet.maker, is_ca=True)]
    for name in ("two", "three", "four"):
        above.insert(0, issue(name, by=above[0], is_ca=True))
    leaf = issue("meter-7.company.com", by=above[0])

    assert await fleet.log_in(chain_of(leaf, *above, fleet.maker)) == REFUSED_V3


async def test_a_profile_may_be_as_lax_as_thingsboard(fleet: Fleet) -> None:
    """PX-1: nothing but signatures counts, and the device's own dates."""
    await fleet.change(lax=True)
    thief = issue("thief.company.com", by=fleet.maker)
    old = issue("old maker", by=fleet.maker, is_ca=True, days=(-10, -1))

    assert await fleet.log_in(chain_of(issue("meter-7.company.com", by=thief), thief, fleet.maker)) == 0
    assert await fleet.log_in(chain_of(issue("meter-8.company.com", by=old), old, fleet.maker)) == 0
    assert await fleet.log_in(fleet.device("meter-9.company.com", days=(-10, -1))) == REFUSED_V3


async def test_a_lax_profile_takes_no_other_order(fleet: Fleet) -> None:
    await fleet.change(lax=True)
    shift = issue("shift", by=fleet.maker, is_ca=True)
    leaf = issue("meter-7.company.com", by=shift)

    assert await fleet.log_in(chain_of(leaf, fleet.maker, shift)) == REFUSED_V3
    assert await fleet.log_in(chain_of(leaf, shift, fleet.maker)) == 0


# -- with an answer --------------------------------------------------------------------------------


async def test_over_https_the_device_gets_an_answer(fleet: Fleet) -> None:
    who = fleet.device()

    assert await fleet.post(who, {}) == {
        "credentialsValue": one_line(who), "credentialsType": "X509_CERTIFICATE", "status": "SUCCESS",
    }  # fmt: skip
    assert await fleet.log_in(who) == 0


async def test_in_a_provision_session_the_device_gets_an_answer(fleet: Fleet) -> None:
    who = fleet.device()
    peer, reason = await fleet.say_connect(who, username="provision")
    assert reason == 0

    answer = await peer.provision({"deviceName": "meter-7"})

    assert (answer["status"], answer["credentialsType"]) == ("SUCCESS", "X509_CERTIFICATE")
    await peer.close()


async def test_in_protobuf_too(fleet: Fleet) -> None:
    who = fleet.device()
    peer, _ = await fleet.say_connect(who, username="provision")
    await peer.send(Publish(REQUEST_TOPIC, b"\x10\x01"))

    answer = (await peer.expect(Publish)).payload
    assert answer[:4] == b"\x08\x01\x10\x01"
    assert one_line(who).encode() in answer
    await peer.close()


async def test_a_device_may_get_a_token_for_its_certificate(fleet: Fleet) -> None:
    """For HTTP, whose device API knows tokens only (contract 3.5)."""
    answer = await fleet.post(fleet.device(), {"credentialsType": "ACCESS_TOKEN"})

    assert await fleet.log_in(None, username=answer["credentialsValue"]) == 0


async def test_a_name_that_is_not_the_certificates_is_refused(fleet: Fleet) -> None:
    assert (await fleet.post(fleet.device(), {"deviceName": "meter-8"}))["status"] == "FAILURE"

    assert await fleet.refusals() == ["certificate-name"]


async def test_a_stranger_is_told_nothing(fleet: Fleet) -> None:
    stranger = issue("meter-7.company.com", by=authority("nobody"))

    assert (await fleet.post(stranger, {}))["status"] == "NOT_FOUND"
    assert (await fleet.post(stranger, {"credentialsType": "X509_CERTIFICATE"}))["status"] == "NOT_FOUND"


async def test_key_and_secret_of_such_a_profile_prove_nothing(fleet: Fleet) -> None:
    """They are public: the hash of a certificate, and the certificate."""
    profile = await fleet.server.core.profiles.get(1, "by-certificate")
    secret = fleet.server.core.profiles.reveal_secret(profile)
    assert secret is not None
    public = {"provisionDeviceKey": profile.provision_key, "provisionDeviceSecret": secret.reveal()}

    assert (await fleet.post(None, public))["status"] == "NOT_FOUND"
    stranger: Identity = issue("meter-7.company.com")
    assert (await fleet.post(stranger, public))["status"] == "NOT_FOUND"

    assert await fleet.refusals() == ["certificate-needed", "certificate-not-trusted"]
