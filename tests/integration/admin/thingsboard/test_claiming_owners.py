"""Giving devices back over ThingsBoard's REST, and who may (contract CL-20 to CL-24, threat CM-6)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.admin.thingsboard.buyers import (
    CLAIMED,
    DATA,
    FAILURE,
    NOBODY,
    buyer,
    claim,
    found,
    give_back,
    link,
    on_the_shelf,
    opened_by_device,
    owner,
    server_attributes,
)
from tests.integration.admin.thingsboard.rest import PASSWORD, Rest, administered, other_tenant

from firstboot.model import Authority
from firstboot.secret import Secret

NOT_FOUND = (404, 32, "Requested item wasn't found!")


async def sys_admin(admin: Rest) -> Rest:
    email = "root@example.com"
    await admin.server.services.users.create(
        None, email=email, authority=Authority.SYS_ADMIN, password=Secret(PASSWORD), actor="test"
    )
    return await Rest.login(admin.server, email, PASSWORD)


async def test_cm_6_only_the_owner_and_the_tenant_release_a_device(admin: Rest, subtests: pytest.Subtests) -> None:
    """Every role against every owner: nobody, ada, bob."""
    ada, bob, root = await buyer(admin, "ada"), await buyer(admin, "bob"), await sys_admin(admin)
    other = await other_tenant(admin.server)
    cleo = await buyer(other, "cleo")
    programs = await admin.program("devices:write"), await admin.program("devices:read")
    gone, kept, forbidden = (200, None), (404, ...), (403, ...)
    expected = {
        "ada": {"nobody": kept, "ada": gone, "bob": kept},
        "bob": {"nobody": kept, "ada": kept, "bob": gone},
        "cleo": {"nobody": kept, "ada": kept, "bob": kept},
        "tenant administrator": {"nobody": gone, "ada": gone, "bob": gone},
        "program": {"nobody": gone, "ada": gone, "bob": gone},
        "program without the scope": {"nobody": forbidden, "ada": forbidden, "bob": forbidden},
        "administrator of another tenant": {"nobody": kept, "ada": kept, "bob": kept},
        "system administrator": {"nobody": forbidden, "ada": forbidden, "bob": forbidden},
    }
    people = {
        "ada": ada,
        "bob": bob,
        "cleo": cleo,
        "tenant administrator": admin,
        "program": programs[0],
        "program without the scope": programs[1],
        "administrator of another tenant": other,
        "system administrator": root,
    }
    owners = {"nobody": None, "ada": ada, "bob": bob}

    for role, row in expected.items():
        for has, (status, left) in row.items():
            name = f"{has}'s, asked by {role}"
            with subtests.test(name):
                await on_the_shelf(admin, name)
                buyer_ = owners[has]
                if buyer_ is not None:
                    assert (await claim(buyer_, name, "s3cret"))[0] == 200
                before = await found(admin.server, name)

                answered, body = await give_back(people[role], name)

                after = await found(admin.server, name)
                assert answered == status, body
                assert after.customer_id is None if left is None else after == before
                if status == 200:
                    assert body == b""


async def test_cm_7_a_device_of_somebody_else_and_an_unknown_one_are_told_apart_by_nothing(admin: Rest) -> None:
    ada, bob = await buyer(admin, "ada"), await buyer(admin, "bob")
    await on_the_shelf(admin, "bobs")
    await on_the_shelf(admin, "free")
    await claim(bob, "bobs", "s3cret")

    refused = [await ada.refused("DELETE", link(name)) for name in ("bobs", "free", "unknown")]

    assert refused == [NOT_FOUND] * 3


async def test_cm_6_the_former_owner_has_no_access_any_more(admin: Rest) -> None:
    ada = await buyer(admin, "ada")
    device_id = await on_the_shelf(admin, "d1")
    await claim(ada, "d1", "s3cret")

    await give_back(admin, "d1")

    for path in (f"/api/device/{device_id}", f"/api/device/{device_id}/credentials"):
        assert (await ada.send("GET", path)).status_code == 403
    assert (await ada.send("POST", f"{DATA}/{device_id}/SHARED_SCOPE", {"a": 1})).status_code == 403


async def test_cl_22_a_secret_of_the_tenant_is_good_once(admin: Rest) -> None:
    ada, bob = await buyer(admin, "ada"), await buyer(admin, "bob")
    device_id = await on_the_shelf(admin, "d1")
    await claim(ada, "d1", "s3cret")

    await give_back(ada, "d1")

    assert await claim(bob, "d1", "s3cret") == FAILURE
    assert await server_attributes(admin, device_id) == {}


async def test_a_device_that_was_given_back_is_claimed_by_the_next(admin: Rest) -> None:
    ada, bob = await buyer(admin, "ada"), await buyer(admin, "bob")
    await on_the_shelf(admin, "d1")
    await claim(ada, "d1", "s3cret")
    await opened_by_device(admin.server, "d1", "the device's")  # refused: it is ada's
    refused = await claim(bob, "d1", "the device's")
    await give_back(ada, "d1")
    still = await claim(bob, "d1", "the device's")
    await opened_by_device(admin.server, "d1", "the device's")

    assert (refused, still) == (CLAIMED, FAILURE)
    assert (await claim(bob, "d1", "the device's"))[0] == 200
    assert await owner(admin, "d1") == "bob"


async def test_cl_21_a_reclaim_closes_what_the_device_has_opened(admin: Rest) -> None:
    ada = await buyer(admin, "ada")
    await on_the_shelf(admin, "d1", None)
    await opened_by_device(admin.server, "d1", "the device's")

    assert await give_back(admin, "d1") == (200, b"")
    assert await claim(ada, "d1", "the device's") == FAILURE


async def test_an_assignment_by_an_administrator_closes_the_windows_too(admin: Rest) -> None:
    ada = await buyer(admin, "ada")
    bob = await admin.customer("bob")
    for name, path in (
        ("d1", "/api/customer/{customer}/device/{device}"),
        ("d2", "/api/owner/CUSTOMER/{customer}/DEVICE/{device}"),
    ):
        device_id = await on_the_shelf(admin, name)
        await admin.send("POST", path.format(customer=bob["id"]["id"], device=device_id))
        assert await claim(ada, name, "s3cret") == CLAIMED
        await admin.call("DELETE", f"/api/customer/device/{device_id}")
        assert await claim(ada, name, "s3cret") == FAILURE
        assert await server_attributes(admin, device_id) == {}


async def test_saving_a_device_with_another_customer_changes_its_owner(admin: Rest) -> None:
    ada, customer = await buyer(admin, "ada"), await admin.customer("bob")
    device_id = await on_the_shelf(admin, "d1")
    device = await admin.call("GET", f"/api/device/{device_id}")

    saved = await admin.call("POST", "/api/device", {**device, "label": "Cellar", "customerId": customer["id"]})
    refused = await claim(ada, "d1", "s3cret")
    taken = await admin.call("POST", "/api/device", {**saved, "customerId": None})

    assert (saved["customerId"], saved["label"], refused) == (customer["id"], "Cellar", CLAIMED)
    assert (taken["customerId"]["id"], taken["label"]) == (NOBODY, "Cellar")
    assert saved["version"] < taken["version"] == (await admin.call("GET", f"/api/device/{device_id}"))["version"]


async def test_saving_a_device_as_it_is_leaves_its_window_open(admin: Rest) -> None:
    ada = await buyer(admin, "ada")
    device_id = await on_the_shelf(admin, "d1")
    device = await admin.call("GET", f"/api/device/{device_id}")

    await admin.call("POST", "/api/device", {**device, "label": "Cellar"})

    assert (await claim(ada, "d1", "s3cret"))[0] == 200


async def test_a_deleted_customer_leaves_devices_that_the_old_secret_does_not_open(admin: Rest) -> None:
    ada, bob = await buyer(admin, "ada"), await buyer(admin, "bob")
    await on_the_shelf(admin, "d1")
    await claim(ada, "d1", "s3cret")
    customer = (await ada.call("GET", "/api/auth/user"))["customerId"]["id"]

    await admin.call("DELETE", f"/api/customer/{customer}")

    assert await owner(admin, "d1") is None
    assert await claim(bob, "d1", "s3cret") == FAILURE


async def test_cl_22_where_claiming_has_to_be_allowed_a_reclaim_allows_it_again(
    tmp_path: Path, database: str | None
) -> None:
    async with administered(tmp_path, database, claiming={"allow_by_default": False}) as admin:
        ada, bob = await buyer(admin, "ada"), await buyer(admin, "bob")
        device_id = await on_the_shelf(admin, "d1", None)

        await opened_by_device(admin.server, "d1", "one")
        not_allowed = await claim(ada, "d1", "one")
        await admin.call("POST", f"{DATA}/{device_id}/SERVER_SCOPE", {"claimingAllowed": True})
        await opened_by_device(admin.server, "d1", "two")
        claimed = await claim(ada, "d1", "two")
        owned = await server_attributes(admin, device_id)
        await give_back(ada, "d1")
        given_back = await server_attributes(admin, device_id)
        await opened_by_device(admin.server, "d1", "three")
        next_ = await claim(bob, "d1", "three")

    assert (not_allowed, claimed[0], next_[0]) == (FAILURE, 200, 200)
    assert (owned, given_back) == ({}, {"claimingAllowed": True})


async def test_cl_8_claiming_data_needs_no_permission(tmp_path: Path) -> None:
    async with administered(tmp_path, claiming={"allow_by_default": False}) as admin:
        ada = await buyer(admin, "ada")
        await on_the_shelf(admin, "d1")

        assert (await claim(ada, "d1", "s3cret"))[0] == 200


async def test_cl_22_only_true_allows_claiming(tmp_path: Path) -> None:
    """CL-2: the text "true" does not count."""
    async with administered(tmp_path, claiming={"allow_by_default": False}) as admin:
        ada = await buyer(admin, "ada")
        for number, value in enumerate(({"x": 1}, 1, False, "true")):
            device_id = await on_the_shelf(admin, f"d{number}", None)
            await admin.call("POST", f"{DATA}/{device_id}/SERVER_SCOPE", {"claimingAllowed": value})
            await opened_by_device(admin.server, f"d{number}", "one")
            assert await claim(ada, f"d{number}", "one") == FAILURE
