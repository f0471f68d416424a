"""Tenants that do not trust each other, and the authorities of their makers (threats PV-11, TN-1, TN-2).

The certificate of an authority is public: to name one proves nothing.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from tests.integration.admin.world import CHEAP_PASSWORDS, House, World
from tests.integration.tls.making import Identity, Key, authority, issue, new_key
from tests.integration.x509.fleet import REFUSED_V3, Fleet, chain_of, fleet_at

from firstboot_plugins.credentials.lookup_ids import chain_hash

CA = authority()
SERVER = issue("server", by=CA, hosts=["localhost"])
THIEVING = {"pattern": "(.*)", "allowCreate": True}


def signed(text: str, key: Key) -> str:
    """Sign as `openssl dgst -sha256 -sign` does."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        made = key.sign(text.encode(), ec.ECDSA(hashes.SHA256()))
    else:
        made = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(made).decode()


class Tenant:
    """A tenant's administrator, and the profile whose devices have certificates."""

    def __init__(self, house: House, client: httpx2.AsyncClient) -> None:
        self.house = house
        self.client = client
        self.path = f"/api/firstboot/profiles/{house.profile.public_id}/certificates"

    async def name(self, who: Identity, **more: Any) -> httpx2.Response:
        """Say that an authority vouches for the devices."""
        return await self.client.patch(self.path, json={"authority": who.pem.decode(), **THIEVING, **more})

    async def told(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.client.get(self.path)).json()
        return answer

    async def prove(self, key: Key, **more: Any) -> httpx2.Response:
        proof = signed((await self.told())["challenge"], key)
        return await self.client.patch(self.path, json={"proof": proof, **more})


class Town:
    """Two tenants at one server, and a maker whose devices the first has bought."""

    def __init__(self, fleet: Fleet, honest: Tenant, thief: Tenant) -> None:
        self.fleet = fleet
        self.honest = honest
        self.thief = thief
        self.root = authority("root of the second maker")
        self.maker = issue("second maker", by=self.root, is_ca=True)

    def device(self) -> Identity:
        return chain_of(issue("pump-1", by=self.maker), self.maker)

    async def log_in(self, who: Identity) -> int:
        await self.fleet.server.services.provisioning.reload_profiles()
        return await self.fleet.log_in(who)

    async def owner(self) -> Tenant | None:
        """Return the tenant that has got the device."""
        for tenant in (self.honest, self.thief):
            if await self.fleet.server.services.storage.find_device(tenant.house.tenant.id, "pump-1"):
                return tenant
        return None


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    patient = {"failures_per_minute": 100_000}
    async with fleet_at(tmp_path, CA, SERVER, provisioning=patient, login=CHEAP_PASSWORDS) as fleet:
        clients: list[httpx2.AsyncClient] = []

        async def nothing() -> None:
            pass

        world = World(fleet.server, clients, nothing)
        tenants = []
        for mark in ("honest", "thief"):
            house = await world.house(mark)
            tenants.append(Tenant(house, await world.person(house.admin)))
        yield Town(fleet, *tenants)
        for client in clients:
            await client.aclose()


async def test_pv_11_tn_1_an_authority_that_a_tenant_only_names_gets_no_device(town: Town) -> None:
    named = (await town.thief.name(town.maker)).json()

    assert named["authorityCounts"] is False
    assert await town.log_in(town.device()) == REFUSED_V3
    assert await town.owner() is None


async def test_pv_11_tn_1_nor_does_one_that_is_named_as_thingsboards_clients_do_it(town: Town) -> None:
    """Contract 1.2: the profile is saved, and looks as it should."""
    body = (await town.thief.client.get(f"/api/deviceProfile/{town.thief.house.profile.public_id}")).json()
    body["provisionType"] = "X509_CERTIFICATE_CHAIN"
    body["profileData"]["provisionConfiguration"] = {
        "type": "X509_CERTIFICATE_CHAIN",
        "provisionDeviceSecret": town.maker.pem.decode(),
        "certificateRegExPattern": "(.*)",
        "allowCreateNewDevicesByX509Certificate": True,
        "certificateAuthorityProven": chain_hash(town.maker.pem.decode()),
    }

    saved = await town.thief.client.post("/api/deviceProfile", json=body)

    assert (saved.status_code, saved.json()["provisionDeviceKey"]) == (200, chain_hash(town.maker.pem.decode()))
    assert await town.log_in(town.device()) == REFUSED_V3
    assert (await town.thief.prove(town.maker.key)).json()["authorityCounts"] is True
    assert await town.log_in(town.device()) == 0


async def test_pv_11_whoever_has_the_key_proves_it_and_gets_the_devices(town: Town) -> None:
    assert (await town.honest.name(town.maker)).json()["authorityCounts"] is False

    proven = await town.honest.prove(town.maker.key)

    assert (proven.status_code, proven.json()["authorityCounts"]) == (200, True)
    assert await town.log_in(town.device()) == 0
    assert await town.owner() is town.honest


@pytest.mark.parametrize("key", [new_key(), rsa.generate_private_key(65537, 2048)], ids=["EC", "RSA"])
async def test_pv_11_authority_and_proof_may_come_together(town: Town, key: Key) -> None:
    maker = issue("maker", is_ca=True, key=key)
    proof = signed((await town.honest.told())["challenge"], key)

    named = await town.honest.name(maker, proof=proof)

    assert (named.status_code, named.json()["authorityCounts"]) == (200, True)
    assert await town.log_in(chain_of(issue("pump-1", by=maker), maker)) == 0


async def test_pv_11_tn_2_who_names_an_authority_first_does_not_keep_it_from_whoever_proves_it(
    town: Town,
) -> None:
    await town.thief.name(town.maker)
    blocked = await town.honest.name(town.maker)
    proof = signed((await town.honest.told())["challenge"], town.maker.key)

    named = await town.honest.name(town.maker, proof=proof)

    assert blocked.status_code == 409
    assert (named.status_code, named.json()["authorityCounts"]) == (200, True)
    assert (await town.thief.told())["authority"] is None
    assert await town.log_in(town.device()) == 0
    assert await town.owner() is town.honest


async def test_pv_11_tn_2_a_hash_as_the_key_of_another_strategy_does_not_keep_it_either(town: Town) -> None:
    profiles = town.fleet.server.core.profiles
    squatter = await profiles.default(town.thief.house.tenant.id)
    body = (await town.thief.client.get(f"/api/deviceProfile/{squatter.public_id}")).json()
    body["provisionType"] = body["profileData"]["provisionConfiguration"]["type"] = "ALLOW_CREATE_NEW_DEVICES"
    body["profileData"]["provisionConfiguration"]["provisionDeviceSecret"] = "a-long-enough-secret"
    body["provisionDeviceKey"] = chain_hash(town.maker.pem.decode())
    assert (await town.thief.client.post("/api/deviceProfile", json=body)).status_code == 200
    proof = signed((await town.honest.told())["challenge"], town.maker.key)

    assert (await town.honest.name(town.maker, proof=proof)).json()["authorityCounts"] is True


async def test_tn_2_what_one_tenant_has_proven_stays_with_it(town: Town) -> None:
    """Contract 1.3: a provision key is unique in the installation."""
    proof = signed((await town.honest.told())["challenge"], town.maker.key)
    await town.honest.name(town.maker, proof=proof)
    theirs = signed((await town.thief.told())["challenge"], town.maker.key)

    assert (await town.thief.name(town.maker, proof=theirs)).status_code == 409

    assert await town.log_in(town.device()) == 0
    assert await town.owner() is town.honest


@pytest.mark.parametrize("which", ["in between", "the device's own"])
async def test_pv_11_tn_1_nobody_steps_in_between_an_authority_and_its_devices(town: Town, which: str) -> None:
    """PX-2 looks at the certificates in the order in which they are sent."""
    await town.honest.name(town.root)
    await town.honest.prove(town.root.key)
    device = town.device()
    await town.thief.name(town.maker if which == "in between" else device, validation="lax")

    assert await town.log_in(device) == 0

    assert await town.owner() is town.honest


@pytest.mark.parametrize(
    "proof", ["another's", "another key", "another text", "a certificate", "no base64", "x" * 2049]
)
async def test_pv_11_what_is_no_proof_is_refused_and_changes_nothing(town: Town, proof: str) -> None:
    await town.thief.name(town.maker)
    before = await town.thief.told()
    text, key = before["challenge"], town.maker.key
    given = {
        "another's": signed((await town.honest.told())["challenge"], key),
        "another key": signed(text, new_key()),
        "another text": signed(text + "\n", key),
        "a certificate": base64.b64encode(issue(text, by=town.maker).der).decode(),
    }.get(proof, proof)

    answer = await town.thief.client.patch(town.thief.path, json={"proof": given})

    assert answer.status_code == 400
    assert await town.thief.told() == before


async def test_pv_11_a_proof_without_an_authority_is_refused(town: Town) -> None:
    assert (await town.thief.prove(new_key())).status_code == 400


async def test_pv_11_a_proof_counts_for_its_authority_alone(town: Town) -> None:
    """Also when key and secret of the profile are chosen one by one, under another strategy."""
    own = authority("the thief's own")
    await town.thief.name(own)
    assert (await town.thief.prove(own.key)).json()["authorityCounts"] is True

    assert (await town.thief.name(town.maker)).json()["authorityCounts"] is False
    assert await town.log_in(town.device()) == REFUSED_V3
    body = (await town.thief.client.get(f"/api/deviceProfile/{town.thief.house.profile.public_id}")).json()
    body["provisionType"] = body["profileData"]["provisionConfiguration"]["type"] = "ALLOW_CREATE_NEW_DEVICES"
    body["provisionDeviceKey"] = chain_hash(own.pem.decode())
    body["profileData"]["provisionConfiguration"]["provisionDeviceSecret"] = town.maker.pem.decode()
    assert (await town.thief.client.post("/api/deviceProfile", json=body)).status_code == 200
    ours = f"/api/firstboot/profiles/{town.thief.house.profile.public_id}"
    back = await town.thief.client.patch(ours, json={"strategy": "x509-certificate-chain"})
    assert back.status_code == 200

    assert (await town.thief.told())["authorityCounts"] is False
    assert await town.log_in(town.device()) == REFUSED_V3
    assert await town.owner() is None


async def test_an_authority_that_counted_when_there_was_one_tenant_counts_on(town: Town) -> None:
    """The profile of the fleet was made before the two tenants came."""
    assert await town.log_in(town.fleet.device()) == 0
