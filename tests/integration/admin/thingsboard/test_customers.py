"""Customers over ThingsBoard's REST (contract 5.3, 5.4)."""

from __future__ import annotations

from uuid import uuid4

from tests.integration.admin.thingsboard.rest import Rest, other_tenant

NOBODY = "13814000-1dd2-11b2-8080-808080808080"


async def test_a_customer_comes_back_as_it_was_saved(admin: Rest) -> None:
    contact = {"country": "PL", "city": "Kraków", "address": "ul. Długa 1", "phone": "1", "email": "c@example.com"}

    saved = await admin.call("POST", "/api/customer", {"title": "c1", **contact, "additionalInfo": {"a": [1]}})

    assert saved["title"] == saved["name"] == "c1"
    assert {name: saved[name] for name in contact} == contact
    assert saved["additionalInfo"] == {"a": [1]}
    assert saved["id"]["entityType"] == "CUSTOMER"
    assert saved["tenantId"]["entityType"] == "TENANT"
    assert saved["zip"] is None
    assert isinstance(saved["createdTime"], int)
    assert await admin.call("GET", f"/api/customer/{saved['id']['id']}") == saved


async def test_an_update_replaces_what_was_sent_and_counts_the_version(admin: Rest) -> None:
    saved = await admin.call("POST", "/api/customer", {"title": "c1", "phone": "1"})

    updated = await admin.call("POST", "/api/customer", {**saved, "title": "c2", "phone": None})

    assert (updated["title"], updated["phone"], updated["version"]) == ("c2", None, saved["version"] + 1)
    assert updated["id"] == saved["id"]


async def test_a_stale_version_is_refused_and_none_overwrites(admin: Rest) -> None:
    saved = await admin.customer()
    await admin.call("POST", "/api/customer", {**saved, "phone": "2"})

    status, code, _ = await admin.refused("POST", "/api/customer", {**saved, "phone": "3"})
    overwritten = await admin.call("POST", "/api/customer", {**saved, "phone": "4", "version": None})

    assert (status, code) == (409, 35)
    assert overwritten["phone"] == "4"


async def test_a_title_that_cannot_be_is_refused(admin: Rest) -> None:
    await admin.customer()
    messages = {
        "c1": "Customer with such title already exists!",
        "": "Customer title should be specified!",
        None: "Customer title should be specified!",
        "  ": "Customer title should be specified!",
        "Public": "'Public' title for customer is system reserved!",
    }

    refusals = {title: await admin.refused("POST", "/api/customer", {"title": title}) for title in messages}

    assert refusals == {title: (400, 31, message) for title, message in messages.items()}


async def test_the_tenant_in_a_body_is_ignored(admin: Rest) -> None:
    """LG-8."""
    foreign = {"entityType": "TENANT", "id": str(uuid4())}

    saved = await admin.call("POST", "/api/customer", {"title": "c1", "tenantId": foreign, "unknown": {"x": 1}})

    assert saved["tenantId"] == (await admin.call("GET", "/api/auth/user"))["tenantId"]
    assert "unknown" not in saved


async def test_customers_are_listed_by_page(admin: Rest) -> None:
    for title in ("beta", "Alpha", "gamma"):
        await admin.customer(title)

    page = await admin.call("GET", "/api/customers?pageSize=2&page=0&sortProperty=title&sortOrder=DESC")
    found = await admin.call("GET", "/api/customers?pageSize=10&page=0&textSearch=ALP")

    assert [each["title"] for each in page["data"]] == ["gamma", "beta"]
    assert (page["totalPages"], page["totalElements"], page["hasNext"]) == (2, 3, True)
    assert [each["title"] for each in found["data"]] == ["Alpha"]


async def test_a_page_that_cannot_be_is_refused(sqlite_admin: Rest) -> None:
    for query in ("", "?pageSize=0&page=0", "?pageSize=1&page=-1", "?pageSize=x&page=0", "?page=0"):
        assert (await sqlite_admin.refused("GET", f"/api/customers{query}"))[:2] == (400, 31), query


async def test_a_customer_is_found_by_title(admin: Rest) -> None:
    saved = await admin.customer("c 1/x")
    await admin.customer("c 1/xy")

    assert await admin.call("GET", "/api/tenant/customers?customerTitle=c+1%2Fx") == saved
    assert (await admin.refused("GET", "/api/tenant/customers?customerTitle=c"))[:2] == (404, 32)


async def test_a_deleted_customer_is_gone_with_its_users(admin: Rest) -> None:
    customer = await admin.customer()
    person = await admin.active_user("u@example.com", customer)

    await admin.call("DELETE", f"/api/customer/{customer['id']['id']}")

    gone = f"Customer with id [{customer['id']['id']}] is not found"
    assert await admin.refused("GET", f"/api/customer/{customer['id']['id']}") == (404, 32, gone)
    assert (await person.refused("GET", "/api/auth/user"))[:2] == (401, 11)


async def test_another_tenants_customer_is_as_if_it_were_not_there(admin: Rest) -> None:
    """TN-1."""
    customer = await admin.customer()
    path = f"/api/customer/{customer['id']['id']}"
    other = await other_tenant(admin.server)

    refusals = [
        await other.refused("GET", path),
        await other.refused("DELETE", path),
        await other.refused("POST", "/api/customer", {**customer, "title": "mine"}),
    ]

    assert refusals == [(404, 32, f"Customer with id [{customer['id']['id']}] is not found")] * 3
    assert (await other.call("GET", "/api/customers?pageSize=10&page=0"))["data"] == []
    assert (await other.customer())["title"] == "c1"


async def test_people_of_a_customer_see_their_own_customer_only(admin: Rest) -> None:
    """TN-1."""
    own, foreign = await admin.customer("own"), await admin.customer("foreign")
    person = await admin.active_user("u@example.com", own)

    assert await person.call("GET", f"/api/customer/{own['id']['id']}") == own
    info = await person.call("GET", f"/api/customer/{own['id']['id']}/shortInfo")
    assert info == {"title": "own", "isPublic": False}
    assert (await person.refused("GET", f"/api/customer/{foreign['id']['id']}"))[:2] == (403, 20)
    assert (await person.refused("GET", "/api/customers?pageSize=1&page=0"))[:2] == (403, 20)
    assert (await person.refused("POST", "/api/customer", {**own, "title": "x"}))[:2] == (403, 20)
    assert (await person.refused("DELETE", f"/api/customer/{own['id']['id']}"))[:2] == (403, 20)


async def test_a_path_that_is_no_uuid_is_refused(admin: Rest) -> None:
    assert (await admin.refused("GET", "/api/customer/nobody"))[:2] == (400, 31)
    assert (await admin.refused("PUT", "/api/customer", {"title": "x"}))[:2] == (405, 31)
