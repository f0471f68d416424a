"""Users and their activation over ThingsBoard's REST (contract 5.4)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from tests.harness import running
from tests.integration.admin.thingsboard.rest import (
    ADMIN,
    ADMIN_PASSWORD,
    CHEAP_LOGIN,
    PASSWORD,
    Rest,
    administered,
    other_tenant,
)

from firstboot.clock import Clock

SAVE = "/api/user?sendActivationMail=false"


async def test_a_user_of_a_customer_comes_back_as_saved(admin: Rest) -> None:
    customer = await admin.customer()

    saved = await admin.user(
        "U@Example.com", customer, firstName="Zoë", lastName="Q", phone="1", additionalInfo={"lang": "en"}
    )

    assert (saved["email"], saved["name"], saved["authority"]) == (
        "u@example.com",
        "u@example.com",
        "CUSTOMER_USER",
    )
    assert (saved["firstName"], saved["lastName"], saved["phone"]) == ("Zoë", "Q", "1")
    assert saved["additionalInfo"] == {"lang": "en"}
    assert saved["customerId"] == customer["id"]
    assert saved["tenantId"] == customer["tenantId"]
    assert await admin.call("GET", f"/api/user/{saved['id']['id']}") == saved


async def test_an_administrator_belongs_to_no_customer(admin: Rest) -> None:
    saved = await admin.user("second@example.com")

    assert saved["customerId"] == {"entityType": "CUSTOMER", "id": "13814000-1dd2-11b2-8080-808080808080"}


async def test_without_a_mail_server_an_activation_mail_cannot_be_asked_for(admin: Rest) -> None:
    body = {"email": "u@example.com", "authority": "TENANT_ADMIN"}

    refusal = await admin.refused("POST", "/api/user", body)

    assert refusal == (500, 2, "Couldn't send user activation email")
    listed = await admin.call("GET", "/api/users?pageSize=10&page=0&textSearch=u@example.com")
    assert listed["data"] == []


async def test_an_address_that_is_taken_is_refused(admin: Rest) -> None:
    await admin.user("u@example.com")

    refusal = await admin.refused("POST", SAVE, {"email": "U@example.com", "authority": "TENANT_ADMIN"})

    assert refusal == (400, 31, "User with email 'u@example.com' already present in database!")


async def test_a_user_that_cannot_be_is_refused(sqlite_admin: Rest) -> None:
    bodies = [
        {"authority": "TENANT_ADMIN"},
        {"email": "no address", "authority": "TENANT_ADMIN"},
        {"email": "u@example.com"},
        {"email": "u@example.com", "authority": "KING"},
        {"email": "u@example.com", "authority": "CUSTOMER_USER"},
    ]

    for body in bodies:
        assert (await sqlite_admin.refused("POST", SAVE, body))[:2] == (400, 31), body


async def test_nobody_makes_a_system_administrator(admin: Rest) -> None:
    """LG-8."""
    body = {"email": "root@example.com", "authority": "SYS_ADMIN"}

    assert (await admin.refused("POST", SAVE, body))[:2] == (403, 20)


async def test_an_update_changes_names_and_neither_rights_nor_tenant(admin: Rest) -> None:
    """LG-8."""
    customer = await admin.customer()
    saved = await admin.user("u@example.com", customer)

    updated = await admin.call(
        "POST",
        SAVE,
        {
            **saved,
            "firstName": "New",
            "authority": "TENANT_ADMIN",
            "customerId": None,
            "tenantId": {"id": str(uuid4())},
        },
    )

    assert updated == {**saved, "firstName": "New", "version": saved["version"] + 1}
    assert (await admin.refused("POST", SAVE, saved))[:2] == (409, 35)


async def test_people_of_a_customer_change_no_users_and_see_their_own_colleagues(admin: Rest) -> None:
    """LG-8, TN-1."""
    own, foreign = await admin.customer("own"), await admin.customer("foreign")
    colleague, stranger = await admin.user("b@example.com", own), await admin.user("c@example.com", foreign)
    person = await admin.active_user("a@example.com", own)
    me = await person.call("GET", "/api/auth/user")

    listed = await person.call("GET", "/api/users?pageSize=10&page=0&sortProperty=email")

    assert [each["email"] for each in listed["data"]] == ["a@example.com", "b@example.com"]
    assert await person.call("GET", f"/api/user/{colleague['id']['id']}") == colleague
    assert (await person.refused("GET", f"/api/user/{stranger['id']['id']}"))[:2] == (403, 20)
    assert (await person.refused("POST", SAVE, {**me, "authority": "TENANT_ADMIN"}))[:2] == (403, 20)
    for path in ("activationLink", "activationLinkInfo", "token"):
        assert (await person.refused("GET", f"/api/user/{colleague['id']['id']}/{path}"))[:2] == (403, 20)
    assert (await person.refused("DELETE", f"/api/user/{colleague['id']['id']}"))[:2] == (403, 20)


async def test_another_tenants_user_is_as_if_not_there(admin: Rest) -> None:
    """TN-1."""
    customer = await admin.customer()
    user = await admin.user("u@example.com", customer)
    path = f"/api/user/{user['id']['id']}"
    other = await other_tenant(admin.server)

    refusals = [
        await other.refused("GET", path),
        await other.refused("DELETE", path),
        await other.refused("POST", SAVE, {**user, "firstName": "x"}),
        await other.refused("GET", f"{path}/activationLink"),
        await other.refused("GET", f"{path}/token"),
        await other.refused("POST", f"{path}/userCredentialsEnabled?userCredentialsEnabled=false"),
    ]

    assert refusals == [(404, 32, f"User with id [{user['id']['id']}] is not found")] * 6
    in_foreign_customer = {"email": "x@example.com", "authority": "CUSTOMER_USER", "customerId": customer["id"]}
    assert (await other.refused("POST", SAVE, in_foreign_customer))[:2] == (404, 32)
    assert (await other.refused("GET", f"/api/customer/{customer['id']['id']}/users?pageSize=1&page=0"))[0] == 404


async def test_users_of_a_customer_are_listed(admin: Rest) -> None:
    customer = await admin.customer()
    user = await admin.user("u@example.com", customer)

    page = await admin.call("GET", f"/api/customer/{customer['id']['id']}/users?pageSize=10&page=0")

    assert page == {"data": [user], "totalPages": 1, "totalElements": 1, "hasNext": False}


async def test_a_deleted_user_is_out_at_once(admin: Rest) -> None:
    """LG-7."""
    person = await admin.active_user("u@example.com", await admin.customer())
    me = await person.call("GET", "/api/auth/user")

    await admin.call("DELETE", f"/api/user/{me['id']['id']}")

    assert (await person.refused("GET", "/api/auth/user"))[:2] == (401, 11)


async def test_a_disabled_user_is_out_at_once_and_may_come_back(admin: Rest) -> None:
    """LG-7, RA-3."""
    person = await admin.active_user("u@example.com", await admin.customer())
    me = await person.call("GET", "/api/auth/user")
    path = f"/api/user/{me['id']['id']}/userCredentialsEnabled?userCredentialsEnabled="
    login = {"username": "u@example.com", "password": PASSWORD}

    await admin.call("POST", f"{path}false")

    assert (await person.refused("GET", "/api/auth/user"))[0] == 401
    refusal = await admin.refused("POST", "/api/auth/login", login)
    assert refusal == (401, 10, "User account is not active")
    await admin.call("POST", f"{path}true")
    assert (await Rest.login(admin.server, "u@example.com", PASSWORD)).token


# -- activation ------------------------------------------------------------------------------------


async def test_the_activation_link_is_plain_text_and_opens_the_account_once(admin: Rest) -> None:
    user = await admin.user("u@example.com", await admin.customer())

    response = await admin.send("GET", f"/api/user/{user['id']['id']}/activationLink")

    assert response.headers["content-type"].startswith("text/plain")
    link = urlsplit(response.text)
    assert (link.scheme, link.hostname, link.path) == ("http", "localhost", "/api/noauth/activate")
    (token,) = parse_qs(link.query)["activateToken"]
    assert len(token) == 40
    body = {"activateToken": token, "password": PASSWORD}
    pair = await Rest(admin.server).call("POST", "/api/noauth/activate?sendActivationMail=False", body)
    assert pair.keys() == {"token", "refreshToken"}
    me = await Rest(admin.server, pair["token"]).call("GET", "/api/auth/user")
    assert me["email"] == "u@example.com"
    again = await Rest(admin.server).refused("POST", "/api/noauth/activate", body)
    assert again == (400, 31, "User credentials already activated")
    link_again = await admin.refused("GET", f"/api/user/{user['id']['id']}/activationLink")
    assert link_again == (400, 31, "User is already activated!")


async def test_the_activation_link_does_not_follow_the_host_header(admin: Rest) -> None:
    """HT-5."""
    user = await admin.user("u@example.com")

    response = await admin.send(
        "GET", f"/api/user/{user['id']['id']}/activationLink", headers={"Host": "evil.example"}
    )

    assert "evil" not in response.text


async def test_opening_the_link_says_what_to_do_and_changes_nothing(admin: Rest) -> None:
    user = await admin.user("u@example.com")
    token = await admin.activation_token(user)
    anybody = Rest(admin.server)

    opened = await anybody.send("GET", f"/api/noauth/activate?activateToken={token}")

    assert (opened.status_code, opened.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert f"curl -d @- http://localhost:{admin.server.http_port}/api/noauth/activate\n" in opened.text
    assert token not in opened.text
    assert await admin.activation_token(user) == token
    body = b'{"activateToken": "%b",\n "password": "another good one"}' % token.encode()
    as_curl_sends_it = {"Content-Type": "application/x-www-form-urlencoded"}
    done = await anybody.send("POST", "/api/noauth/activate", content=body, headers=as_curl_sends_it)
    assert done.status_code == 200


async def test_the_link_info_has_the_same_link_and_its_life(admin: Rest) -> None:
    user = await admin.user("u@example.com")

    info = await admin.call("GET", f"/api/user/{user['id']['id']}/activationLinkInfo")

    assert info["value"].endswith(await admin.activation_token(user))
    assert 86_000_000 < info["ttlMs"] <= 86_400_000


async def test_an_unknown_token_and_a_weak_password_are_refused(admin: Rest) -> None:
    token = await admin.activation_token(await admin.user("u@example.com"))
    anybody = Rest(admin.server)

    async def refusal(activate_token: str, password: str) -> tuple[int, int, str]:
        body = {"activateToken": activate_token, "password": password}
        return await anybody.refused("POST", "/api/noauth/activate", body)

    assert await refusal("x", PASSWORD) == (400, 31, "Unable to find user credentials by activateToken [x]")
    assert (await refusal(token, "short"))[:2] == (400, 31)
    assert (await refusal(token, "x" * 73))[:2] == (400, 31)
    assert (await anybody.refused("POST", "/api/noauth/activate", {}))[:2] == (400, 31)


async def test_an_activation_token_expires_and_its_link_is_renewed(tmp_path: Path, database: str | None) -> None:
    late = 0

    def now_ms() -> int:
        return Clock().now_ms() + late

    settings = {"admin": {"email": ADMIN, "password": ADMIN_PASSWORD}, "login": CHEAP_LOGIN}
    async with running(tmp_path, database=database, clock=Clock(now_ms=now_ms), **settings) as server:
        admin = await Rest.login(server)
        user = await admin.user("u@example.com")
        token = await admin.activation_token(user)
        late = int(timedelta(hours=24).total_seconds() * 1000)
        admin = await Rest.login(server)

        body = {"activateToken": token, "password": PASSWORD}
        refusal = await admin.refused("POST", "/api/noauth/activate", body)

        assert refusal == (400, 31, "Activation token expired")
        assert await admin.activation_token(user) != token


async def test_the_port_in_the_link_is_that_of_the_server(tmp_path: Path) -> None:
    async with administered(tmp_path, server={"public_host": "iot.example.com"}) as admin:
        user = await admin.user("u@example.com")

        link = (await admin.send("GET", f"/api/user/{user['id']['id']}/activationLink")).text

        assert link.startswith(
            f"http://iot.example.com:{admin.server.http_port}/api/noauth/activate?activateToken="
        )


# -- programs --------------------------------------------------------------------------------------


async def test_a_program_manages_users_of_customers_and_no_administrators(admin: Rest) -> None:
    """LG-9: with an administrator of its own a token would have every scope."""
    customer = await admin.customer()
    second = await admin.user("second@example.com")
    program = await admin.program("users:write")
    me = await admin.call("GET", "/api/auth/user")

    made = await program.user("u@example.com", customer)

    assert await program.activation_token(made)
    refusals = [
        await program.refused("POST", SAVE, {"email": "x@example.com", "authority": "TENANT_ADMIN"}),
        await program.refused("POST", SAVE, {**me, "email": "mine@example.com"}),
        await program.refused("GET", f"/api/user/{second['id']['id']}/activationLink"),
        await program.refused("DELETE", f"/api/user/{me['id']['id']}"),
        await program.refused("GET", f"/api/user/{made['id']['id']}/token"),
        await program.refused("GET", f"/api/user/{made['id']['id']}"),  # for that it has no scope
    ]
    assert {refusal[:2] for refusal in refusals} == {(403, 20)}
