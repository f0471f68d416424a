"""What people with accounts may not do to each other's things, on each database (TN-1, LG-8, SE-7, I2, I3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from tests.integration.admin.world import PASSWORD, House, World, world_of

from firstboot.storage import AuditEntry, AuditQuery

OURS = "/api/firstboot"


@pytest.fixture
async def world(tmp_path: Path, database: str | None) -> AsyncIterator[World]:
    """Run a server on each kind of database."""
    async with world_of(tmp_path, database=database) as made:
        yield made


@pytest.fixture
async def house(world: World) -> House:
    return await world.house("aardvark")


@pytest.fixture
async def admin(world: World, house: House) -> httpx2.AsyncClient:
    return await world.person(house.admin)


def ref(public_id: UUID) -> dict[str, str]:
    return {"id": str(public_id)}


# -- lost updates ----------------------------------------------------------------------------------


async def test_a_secret_that_was_rotated_does_not_come_back_with_another_change(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    """PV-3: whoever rotates a leaked secret must be sure that it is void, also while others change the profile."""
    path = f"{OURS}/profiles/{house.profile.public_id}"
    changes = [admin.patch(path, json={"retryWindowMs": 1000 + n}) for n in range(8)]
    rotations = [admin.post(f"{path}/rotate-secret") for _ in range(8)]
    defaults = [admin.post(f"/api/deviceProfile/{house.profile.public_id}/default") for _ in range(4)]

    answers = await asyncio.gather(*changes, *rotations, *defaults)

    assert {answer.status_code for answer in answers} == {200}
    profile = await world.services.profiles.by_public_id(house.tenant.id, house.profile.public_id)
    assert profile.version == house.profile.version + len(answers)
    told = world.services.profiles.reveal_secret(profile)
    assert told is not None
    assert told.reveal() in [answer.json()["provisionSecret"] for answer in answers[8:16]]
    audit = await world.services.storage.list_audit(AuditQuery(event="profile-secret-rotated"))
    assert len(audit) == len(rotations)


async def test_a_change_that_was_read_before_a_rotation_is_refused_or_repeated(world: World, house: House) -> None:
    service = world.services.profiles
    read = await service.by_public_id(house.tenant.id, house.profile.public_id)
    await service.update(replace(read, enabled=False), actor="other")

    made = await service.rotate_secret(read, grace=read.rotation_grace, secret=None, actor="test")

    now = await service.by_public_id(house.tenant.id, read.public_id)
    assert (made.profile.enabled, now.enabled) == (False, False)
    assert (await service.set_default(read, actor="test")).secret_digest == now.secret_digest


async def test_two_administrators_with_one_version_do_not_overwrite_each_other(
    house: House, admin: httpx2.AsyncClient
) -> None:
    device = (await admin.get(f"/api/device/{house.device.public_id}")).json()
    customer = (await admin.get(f"/api/customer/{house.customer.public_id}")).json()

    for path, sent in (
        ("/api/device", [{**device, "label": f"label {n}"} for n in range(5)]),
        ("/api/customer", [{**customer, "city": f"city {n}"} for n in range(5)]),
    ):
        answers = await asyncio.gather(*(admin.post(path, json=body) for body in sent))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]


# -- things that vanish meanwhile -------------------------------------------------------------------


async def test_a_login_during_the_deletion_of_its_customer_opens_nothing(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    """TN-1, I3: neither an error of the server nor a session without a user."""
    sent = {"username": house.user.email, "password": PASSWORD}

    async def log_in() -> httpx2.Response:
        return await world.nobody.post("/api/auth/login", json=sent)

    logins = [asyncio.create_task(log_in()) for _ in range(6)]
    deleted = await admin.delete(f"/api/customer/{house.customer.public_id}")
    answers = await asyncio.gather(*logins)

    assert deleted.status_code == 200
    assert {answer.status_code for answer in answers} <= {200, 401}
    for answer in answers:
        if answer.status_code == 200:
            headers = {"X-Authorization": f"Bearer {answer.json()['token']}"}
            assert (await world.nobody.get("/api/auth/user", headers=headers)).status_code == 401
    assert (await log_in()).status_code == 401


async def test_pv_14_a_profile_that_is_deleted_has_no_devices(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    for round_ in range(5):
        name = f"short-lived {round_}"
        made = await world.services.profiles.save_new(
            replace(house.profile, name=name, is_default=False, provision_key=None), secret=None, actor="test"
        )
        device = {"name": f"late {round_}", "deviceProfileId": ref(made.public_id)}

        created, deleted = await asyncio.gather(
            admin.post("/api/device", json=device), admin.delete(f"/api/deviceProfile/{made.public_id}")
        )

        assert (created.status_code, deleted.status_code) in [(200, 400), (404, 200)]


# -- ids of others inside bodies -------------------------------------------------------------------


async def test_tn_1_ids_of_another_tenant_in_a_body_are_as_if_they_were_not_there(
    world: World, house: House
) -> None:
    stranger = await world.person((await world.house("baboon")).admin)
    credentials = (await (await world.person(house.admin)).get(
        f"/api/device/{house.device.public_id}/credentials"
    )).json()  # fmt: skip
    no_mail = {"sendActivationMail": "false"}
    foreign = [
        ("/api/device", {"id": ref(house.device.public_id), "name": "mine"}),
        ("/api/device", {"name": "d1", "customerId": ref(house.customer.public_id)}),
        ("/api/device", {"name": "d2", "deviceProfileId": ref(house.profile.public_id)}),
        ("/api/device-with-credentials", {"device": {"name": "d3", "customerId": ref(house.customer.public_id)}}),
        ("/api/device/credentials", {**credentials, "credentialsId": "another-token-of-mine"}),
        ("/api/customer", {"id": ref(house.customer.public_id), "title": "mine"}),
        ("/api/user", {"id": ref(house.user.public_id), "email": "mine@example.com"}),
        (
            "/api/user",
            {"email": "x@example.com", "authority": "CUSTOMER_USER", "customerId": ref(house.customer.public_id)},
        ),
        (
            "/api/deviceProfile",
            {
                "id": ref(house.profile.public_id), "name": "mine", "type": "DEFAULT",
                "transportType": "DEFAULT", "profileData": {},
            },
        ),
        # The id of a thing of another kind is none either.
        ("/api/device", {"id": ref(house.customer.public_id), "name": "d4"}),
        ("/api/device", {"name": "d5", "customerId": ref(house.tenant.public_id)}),
    ]  # fmt: skip

    for path, body in foreign:
        answer = await stranger.post(path, json=body, params=no_mail if path == "/api/user" else None)

        assert answer.status_code == 404, (path, body, answer.text)
        assert house.mark not in answer.text
    assert (await stranger.get(f"{OURS}/devices?profileId={house.profile.public_id}")).status_code == 404
    kept = await world.services.devices.by_public_id(house.tenant.id, house.device.public_id)
    assert (kept.name, kept.version) == (house.device.name, house.device.version)


async def test_lg_8_a_customer_s_user_gives_himself_nothing(world: World, house: House) -> None:
    user = await world.person(house.user)
    wanted = {
        "id": ref(house.user.public_id), "email": house.user.email, "authority": "TENANT_ADMIN",
        "tenantId": ref(house.tenant.public_id),
    }  # fmt: skip
    device = {
        "id": ref(house.device.public_id), "name": "renamed", "customerId": ref(house.other_customer.public_id),
        "deviceProfileId": ref(UUID(int=7)), "tenantId": ref(UUID(int=8)), "enabled": False, "createdTime": 1,
    }  # fmt: skip

    assert (await user.post("/api/user", json=wanted)).status_code == 403
    assert (await user.post("/api/device", json={"name": "one more"})).status_code == 403
    assert (await user.post("/api/device", json=device)).status_code == 200

    now = await world.services.devices.by_public_id(house.tenant.id, house.device.public_id)
    assert now == replace(house.device, version=house.device.version + 1)


# -- the audit log ---------------------------------------------------------------------------------


async def test_se_7_each_change_over_rest_is_audited_with_who_and_from_where(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    seen = {row.id for row in await world.services.storage.list_audit(AuditQuery(limit=10_000))}
    no_mail = {"sendActivationMail": "false"}
    customer = (await admin.post("/api/customer", json={"title": "audited"})).json()["id"]
    user = {"email": "audited@example.com", "authority": "CUSTOMER_USER", "customerId": customer}
    user_id = (await admin.post("/api/user", json=user, params=no_mail)).json()["id"]["id"]
    profile = {"name": "audited", "type": "DEFAULT", "transportType": "DEFAULT", "profileData": {}}
    profile_id = (await admin.post("/api/deviceProfile", json=profile)).json()["id"]["id"]
    device_id = (await admin.post("/api/device", json={"name": "audited"})).json()["id"]["id"]
    token_id = (await admin.post(f"{OURS}/tokens", json={"name": "t", "scopes": ["rpc"]})).json()["id"]
    credentials = (await admin.get(f"/api/device/{device_id}/credentials")).json()
    data = f"/api/plugins/telemetry/{device_id}"
    table = {"file": "imported", "mapping": {"columns": [{"type": "NAME"}]}}
    done = [
        await admin.post("/api/customer", json={"id": customer, "title": "audited again"}),
        await admin.post("/api/user", json={**user, "id": {"id": user_id}, "lastName": "B"}),
        await admin.post(f"/api/user/{user_id}/userCredentialsEnabled?userCredentialsEnabled=false"),
        await admin.post("/api/device", json={"id": {"id": device_id}, "name": "audited", "label": "x"}),
        await admin.post(f"/api/customer/{customer['id']}/device/{device_id}"),
        await admin.delete(f"/api/customer/device/{device_id}"),
        await admin.post("/api/device/credentials", json={**credentials, "credentialsId": "another-token-12345"}),
        await admin.post(f"{data}/SERVER_SCOPE", json={"a": 1}),
        await admin.delete(f"{data}/SERVER_SCOPE?keys=a"),
        await admin.post(f"/api/rpc/oneway/{device_id}", json={"method": "m", "timeout": 1}),
        await admin.post(f"{OURS}/devices/{device_id}/disable"),
        await admin.post(f"{OURS}/devices/{device_id}/enable"),
        await admin.post(f"{OURS}/devices/{device_id}/reopen"),
        await admin.patch(f"{OURS}/profiles/{profile_id}", json={"enabled": False}),
        await admin.post(f"{OURS}/profiles/{profile_id}/rotate-secret"),
        await admin.post("/api/device/bulk_import", json=table),
        await admin.delete(f"{OURS}/tokens/{token_id}"),
        await admin.delete(f"/api/device/{device_id}"),
        await admin.delete(f"/api/deviceProfile/{profile_id}"),
        await admin.delete(f"/api/user/{user_id}"),
        await admin.delete(f"/api/customer/{customer['id']}"),
    ]
    assert {answer.status_code for answer in done} == {200, 204, 504}  # the last: no session takes the call

    entries: list[AuditEntry] = [
        row.entry
        for row in await world.services.storage.list_audit(AuditQuery(limit=10_000))
        if row.id not in seen
    ]

    assert sorted(entry.event for entry in entries) == sorted([
        "customer-created", "user-created", "profile-created", "device-created", "api-token-created",
        "customer-updated", "user-updated", "user-disabled", "device-updated", "device-assigned",
        "device-unassigned", "credentials-changed", "attributes-saved", "attributes-deleted", "device-called",
        "device-disabled", "device-enabled", "device-reopened", "profile-updated", "profile-secret-rotated",
        "device-created", "api-token-revoked", "device-deleted", "profile-deleted", "user-deleted",
        "customer-deleted",
    ])  # fmt: skip
    assert {(entry.actor, entry.address, entry.transport) for entry in entries} == {
        (f"user:{house.admin.email}", "127.0.0.1", "http")
    }
    assert {entry.tenant_id for entry in entries} == {house.tenant.id}
