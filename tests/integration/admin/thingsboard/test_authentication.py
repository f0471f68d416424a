"""Login, refresh and logout over ThingsBoard's REST (contract 5.1)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from tests.integration.admin.thingsboard.rest import (
    ADMIN,
    ADMIN_PASSWORD,
    PASSWORD,
    Rest,
    other_tenant,
)

LOGIN = "/api/auth/login"


def claims(token: str) -> dict[str, Any]:
    """Read a token as the Python client does: without verifying."""
    part = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


async def test_ra_2_a_login_gives_two_tokens_with_the_claims_of_the_contract(admin: Rest) -> None:
    pair = await Rest(admin.server).call("POST", LOGIN, {"username": ADMIN.upper(), "password": ADMIN_PASSWORD})

    assert pair.keys() == {"token", "refreshToken"}
    me = await admin.call("GET", "/api/auth/user")
    access, again = claims(pair["token"]), claims(pair["refreshToken"])
    assert (access["sub"], access["userId"], access["scopes"]) == (ADMIN, me["id"]["id"], ["TENANT_ADMIN"])
    assert (access["tenantId"], access["customerId"]) == (me["tenantId"]["id"], me["customerId"]["id"])
    assert access["enabled"] is True
    assert access["isPublic"] is False
    assert access["exp"] - access["iat"] == 9000
    assert again["scopes"] == ["REFRESH_TOKEN"]
    assert again["exp"] - again["iat"] == 604_800
    assert again["sessionId"] == access["sessionId"]


async def test_ra_1_both_headers_are_taken_and_the_first_counts(admin: Rest) -> None:
    bearer = f"Bearer {admin.token}"
    anybody = Rest(admin.server)

    me = await anybody.call("GET", "/api/auth/user", headers={"Authorization": bearer})
    same = await anybody.call("GET", "/api/auth/user", headers={"X-Authorization": bearer, "Authorization": "x"})

    assert me == same
    assert (me["email"], me["authority"]) == (ADMIN, "TENANT_ADMIN")


async def test_ra_4_devices_logins_and_activation_need_no_jwt(sqlite_admin: Rest) -> None:
    admin, anybody = sqlite_admin, Rest(sqlite_admin.server)
    demo = await admin.server.profile()
    device_token = (await admin.server.post(demo.request("meter-1")))["credentialsValue"]
    user = await admin.user("new@example.com")
    activation = {"activateToken": await admin.activation_token(user), "password": PASSWORD}

    await anybody.call("POST", f"/api/v1/{device_token}/telemetry", {"t": 1})
    pair = await anybody.call("POST", "/api/noauth/activate?sendActivationMail=False", activation)
    renewed = await anybody.call("POST", "/api/auth/token", {"refreshToken": pair["refreshToken"]})

    assert renewed.keys() == {"token", "refreshToken"}
    assert await anybody.refused("GET", "/api/auth/user") == (401, 10, "Authentication failed")


async def test_ra_3_a_wrong_password_and_an_unknown_user_get_the_same_answer(admin: Rest) -> None:
    """LG-3."""
    for email, password in ((ADMIN, "wrong one"), ("nobody@example.com", PASSWORD)):
        refusal = await Rest(admin.server).refused("POST", LOGIN, {"username": email, "password": password})

        assert refusal == (401, 10, "Invalid username or password")


async def test_ra_3_what_is_no_login_gets_authentication_failed(sqlite_admin: Rest) -> None:
    payloads = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"username":"x"}',
        b'{"username":1,"password":2}',
        b'{"username":"","password":""}',
        b'{"refreshToken":null}',
    ]
    anybody = Rest(sqlite_admin.server)

    for path in (LOGIN, "/api/auth/token"):
        for payload in payloads:
            refusal = await anybody.refused("POST", path, content=payload)
            assert refusal == (401, 10, "Authentication failed"), (path, payload)


async def test_ra_3_each_way_to_prove_nothing_has_its_answer(admin: Rest) -> None:
    anybody = Rest(admin.server)

    async def refusal(headers: dict[str, str]) -> tuple[int, int, str]:
        return await anybody.refused("GET", "/api/auth/user", headers=headers)

    assert await refusal({}) == (401, 10, "Authentication failed")
    assert await refusal({"X-Authorization": "Basic eDp5"}) == (401, 10, "Authentication failed")
    assert await refusal({"X-Authorization": "Bearer nonsense"}) == (401, 10, "Invalid username or password")
    assert admin.token is not None
    signed, _, signature = admin.token.rpartition(".")
    forged = f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    assert await refusal({"X-Authorization": f"Bearer {forged}"}) == (401, 11, "Token has expired")


async def test_lg_6_a_refresh_token_is_good_once_and_reuse_ends_the_session(admin: Rest) -> None:
    anybody = Rest(admin.server)
    first = await anybody.call("POST", LOGIN, {"username": ADMIN, "password": ADMIN_PASSWORD})

    second = await anybody.call("POST", "/api/auth/token", {"refreshToken": first["refreshToken"]})

    person = Rest(admin.server, second["token"])
    assert (await person.call("GET", "/api/auth/user"))["email"] == ADMIN
    reuse = await anybody.refused("POST", "/api/auth/token", {"refreshToken": first["refreshToken"]})
    assert reuse == (401, 11, "Token has expired")
    assert (await person.refused("GET", "/api/auth/user"))[:2] == (401, 11)


async def test_lg_6_neither_token_passes_for_the_other(admin: Rest) -> None:
    anybody = Rest(admin.server)
    pair = await anybody.call("POST", LOGIN, {"username": ADMIN, "password": ADMIN_PASSWORD})

    as_refresh = await anybody.refused("POST", "/api/auth/token", {"refreshToken": pair["token"]})
    as_access = await Rest(admin.server, pair["refreshToken"]).refused("GET", "/api/auth/user")

    assert as_refresh[0] == as_access[0] == 401


async def test_lg_7_after_logout_neither_token_is_good(admin: Rest) -> None:
    anybody = Rest(admin.server)
    pair = await anybody.call("POST", LOGIN, {"username": ADMIN, "password": ADMIN_PASSWORD})
    person = Rest(admin.server, pair["token"])

    response = await person.send("POST", "/api/auth/logout")

    assert (response.status_code, response.content) == (200, b"")
    assert (await person.refused("GET", "/api/auth/user"))[:2] == (401, 11)
    refresh = await anybody.refused("POST", "/api/auth/token", {"refreshToken": pair["refreshToken"]})
    assert refresh[:2] == (401, 11)
    assert (await admin.call("GET", "/api/auth/user"))["email"] == ADMIN  # another login of the same person


async def test_a_changed_password_ends_all_logins_and_opens_one(admin: Rest) -> None:
    """LG-7."""
    body = {"currentPassword": ADMIN_PASSWORD, "newPassword": PASSWORD}

    pair = await admin.call("POST", "/api/auth/changePassword", body)

    assert (await admin.refused("GET", "/api/auth/user"))[:2] == (401, 11)
    assert (await Rest(admin.server, pair["token"]).call("GET", "/api/auth/user"))["email"] == ADMIN
    old = {"username": ADMIN, "password": ADMIN_PASSWORD}
    assert (await admin.refused("POST", LOGIN, old))[:2] == (401, 10)
    assert (await Rest.login(admin.server, ADMIN, PASSWORD)).token


async def test_a_password_is_changed_by_whoever_knows_it_to_a_good_one(admin: Rest) -> None:
    path = "/api/auth/changePassword"

    wrong = await admin.refused("POST", path, {"currentPassword": "wrong one", "newPassword": PASSWORD})
    weak = await admin.refused("POST", path, {"currentPassword": ADMIN_PASSWORD, "newPassword": "short"})

    assert wrong == (400, 31, "Current password doesn't match!")
    assert weak[:2] == (400, 31)


async def test_lg_2_after_five_wrong_passwords_the_address_waits(admin: Rest) -> None:
    anybody = Rest(admin.server)
    wrong = {"username": ADMIN, "password": "wrong one"}
    for _ in range(5):
        await anybody.refused("POST", LOGIN, wrong)

    response = await anybody.send("POST", LOGIN, wrong)

    assert response.status_code == 401
    assert response.json()["message"] == "User account is locked due to security policy"
    assert int(response.headers["retry-after"]) > 0


# -- logging in as a customer's user ---------------------------------------------------------------


async def test_an_administrator_gets_the_tokens_of_a_customers_user(admin: Rest) -> None:
    customer = await admin.customer()
    await admin.active_user("u@example.com", customer)
    user = (await admin.call("GET", "/api/users?pageSize=1&page=0&textSearch=u@"))["data"][0]

    pair = await admin.call("GET", f"/api/user/{user['id']['id']}/token")

    assert (await Rest(admin.server, pair["token"]).call("GET", "/api/auth/user")) == user
    logins = [row.entry for row in await admin.server.audit() if row.entry.event == "user-logged-in"]
    assert (logins[-1].actor, logins[-1].detail) == ("user:u@example.com", f"token for user:{ADMIN}")


async def test_an_administrator_gets_no_tokens_of_another(admin: Rest) -> None:
    await admin.active_user("second@example.com")
    found = await admin.call("GET", "/api/users?pageSize=1&page=0&textSearch=second")

    assert (await admin.refused("GET", f"/api/user/{found['data'][0]['id']['id']}/token"))[:2] == (403, 20)


# -- tenant, programs, secrets ---------------------------------------------------------------------


async def test_everybody_sees_the_own_tenant_and_no_other(admin: Rest) -> None:
    """TN-1."""
    tenant = (await admin.call("GET", "/api/auth/user"))["tenantId"]
    other = await other_tenant(admin.server)

    found = await admin.call("GET", f"/api/tenant/{tenant['id']}")

    assert (found["id"], found["title"], found["name"]) == (tenant, "default", "default")
    assert (await other.refused("GET", f"/api/tenant/{tenant['id']}"))[:2] == (404, 32)


async def test_a_program_is_no_person(admin: Rest) -> None:
    program = await admin.program("devices:read")

    assert (await program.refused("GET", "/api/auth/user"))[:2] == (403, 20)
    assert (await program.refused("GET", "/api/customers?pageSize=1&page=0"))[:2] == (403, 20)


async def test_no_password_and_no_token_reaches_log_or_audit(
    admin: Rest, caplog: pytest.LogCaptureFixture
) -> None:
    """SE-5."""
    caplog.set_level("DEBUG")
    user = await admin.user("u@example.com", await admin.customer())
    activation = await admin.activation_token(user)
    body = {"activateToken": activation, "password": PASSWORD}
    pair = await Rest(admin.server).call("POST", "/api/noauth/activate", body)
    await Rest(admin.server).refused("POST", LOGIN, {"username": ADMIN, "password": "wrong one"})

    everything = repr(await admin.server.audit()) + caplog.text

    for secret in (ADMIN_PASSWORD, PASSWORD, activation, pair["token"], pair["refreshToken"], "wrong one"):
        assert secret not in everything
