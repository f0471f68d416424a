"""What holds for every call: headers, bodies, errors, who asks."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest
from tests.integration.admin.access_rows import ROWS
from tests.integration.admin.test_access_matrix import OPERATIONS, ask
from tests.integration.admin.world import House, World, world_of

from firstboot_plugins.transports.http.answers import SAFE_HEADERS

ME = "/api/firstboot/me"
PROBLEM = "application/problem+json"


async def test_cn_3_every_answer_of_every_call_has_the_headers_errors_too(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    asked = [
        admin.build_request("GET", ME),
        admin.build_request("GET", "/api/firstboot/nothing"),
        admin.build_request("GET", "/api/nothing"),
        admin.build_request("PUT", ME),
        admin.build_request("GET", "/api/customer/nothing"),
        admin.build_request("POST", "/api/customer", content=b"{"),
        admin.build_request("DELETE", f"/api/firstboot/tokens/{house.token.public_id}"),
        world.nobody.build_request("GET", ME),
        world.nobody.build_request("GET", "/health"),
    ]

    for request in asked:
        answer = await world.nobody.send(request)

        assert SAFE_HEADERS.items() <= dict(answer.headers).items(), f"{request.method} {request.url.path}"
        assert "server" not in answer.headers
        assert "set-cookie" not in answer.headers


async def test_ht_11_unknown_paths_and_methods_have_the_form_of_their_family(admin: httpx2.AsyncClient) -> None:
    ours = await admin.get("/api/firstboot/nothing")
    theirs = await admin.get("/api/nothing")
    method = await admin.put("/api/customer")
    our_method = await admin.put(ME)

    assert (ours.status_code, ours.headers["content-type"], ours.json()["code"]) == (404, PROBLEM, "not-found")
    assert (theirs.status_code, theirs.json()["errorCode"]) == (404, 32)
    assert (method.status_code, method.json()["errorCode"], method.headers["allow"]) == (405, 31, "POST")
    assert (our_method.status_code, our_method.headers["allow"]) == (405, "GET, HEAD")
    assert set(theirs.json()) == {"status", "message", "errorCode", "timestamp"}
    assert set(ours.json()) == {"type", "title", "status", "detail", "code"}


@pytest.mark.parametrize("header", ["X-Authorization", "Authorization"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "ApiKey"])
async def test_ra_1_both_headers_and_both_schemes_carry_a_token(
    world: World, house: House, header: str, scheme: str
) -> None:
    token = await world.bearer(house.admin)

    answer = await world.nobody.get(ME, headers={header: f"{scheme} {token}"})

    assert answer.status_code == 200


async def test_ra_1_x_authorization_counts_before_authorization(world: World, house: House) -> None:
    token = await world.bearer(house.admin)
    both = {"X-Authorization": f"Bearer {token}", "Authorization": "Bearer nothing"}
    turned = {"X-Authorization": "Bearer nothing", "Authorization": f"Bearer {token}"}

    assert (await world.nobody.get(ME, headers=both)).status_code == 200
    assert (await world.nobody.get(ME, headers=turned)).status_code == 401


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Basic dXNlcjpwYXNz", "nothing", "Bearer a.b.c", "Bearer fbt_x", "ApiKey x"]
)
async def test_ra_3_what_proves_nothing_is_401_with_code_10(world: World, value: str) -> None:
    answer = await world.nobody.get("/api/auth/user", headers={"X-Authorization": value})

    assert (answer.status_code, answer.json()["errorCode"]) == (401, 10)


async def test_cn_2_a_cookie_proves_nothing(world: World, house: House) -> None:
    token = await world.bearer(house.admin)

    answer = await world.nobody.get(ME, headers={"cookie": f"token={token}; session={token}"})

    assert answer.status_code == 401


async def test_ht_6_a_token_in_the_query_proves_nothing(world: World, house: House) -> None:
    token = await world.bearer(house.admin)

    answer = await world.nobody.get(ME, params={"access_token": token, "authorization": token})

    assert answer.status_code == 401


async def test_ht_10_only_calls_that_say_so_change_something(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    before = [(row.entry.event, row.entry.device) for row in await world.server.audit()]

    for operation in OPERATIONS:
        # The links of users who have a password are refused, and a login for somebody else is one.
        if operation.method == "GET" and not operation.id.endswith("-token"):
            status, text = await ask(admin, operation, house)
            assert status in (200, 400, 403, 404), (operation.id, text)
            if operation.media_type != "text/event-stream":
                path = operation.route_path.replace("{scope}", "SERVER_SCOPE")
                for name, value in house.ids().items():
                    path = path.replace(f"{{{name}}}", str(value))
                head = await admin.head(path, params=dict(ROWS[operation.id].query(house)))
                assert (head.status_code, head.content) == (status, b""), operation.id

    after = [(row.entry.event, row.entry.device) for row in await world.server.audit()]
    assert after == before


async def test_ht_10_a_method_override_is_ignored(house: House, admin: httpx2.AsyncClient) -> None:
    override = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE", "X-HTTP-Method": "DELETE"}

    await admin.get(f"/api/device/{house.device.public_id}", headers=override)

    assert (await admin.get(f"/api/device/{house.device.public_id}")).status_code == 200


BROKEN_BODIES = (
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"1",
    b"{",
    b"[" * 100_000,
    b'{"name":' + b"1" * 200_000 + b"}",
    b'{"name":1e1000000000}',
    b'{"name":NaN}',
    b'{"name":"a","name":"b"}',
    b'{"name":"\\ud800"}',
    b'{"name":"\\u0000"}',
    b'\xef\xbb\xbf{"name":"a"}',
    '{"name":"a"}'.encode("utf-16"),
    b'{"name":"\xff"}',
    b'{"name":"a"} x',
)


@pytest.mark.parametrize("path", ["/api/firstboot/tokens", "/api/customer"])
async def test_ht_2_no_body_whatever_causes_more_than_a_refusal(
    admin: httpx2.AsyncClient, path: str, subtests: pytest.Subtests
) -> None:
    for body in BROKEN_BODIES:
        with subtests.test(body[:20].decode("latin-1")):
            answer = await admin.post(path, content=body, headers={"content-type": "application/json"})

            assert answer.status_code == 400, answer.text
            assert answer.json()["status"] == 400


async def test_ht_2_errors_repeat_no_value_of_the_request(admin: httpx2.AsyncClient) -> None:
    mark = "zebra-zebra"

    for path, body in (
        ("/api/firstboot/tokens", {"name": mark * 100, "scopes": mark, "expiresAtMs": mark}),
        ("/api/firstboot/me/password", {"currentPassword": mark, "newPassword": mark * 20}),
        ("/api/deviceProfile", {"name": mark, "type": mark, "provisionType": mark, "profileData": mark}),
        ("/api/user", {"email": mark, "authority": mark, "customerId": {"id": mark}}),
    ):
        answer = await admin.post(path, json=body)
        assert answer.status_code == 400, answer.text
        assert mark not in answer.text


async def test_a_text_with_u_0000_is_refused_wherever_it_stands(house: House, admin: httpx2.AsyncClient) -> None:
    query = await admin.get("/api/firstboot/devices?text=%00")
    path = await admin.get(f"/api/plugins/telemetry/DEVICE/{house.device.public_id}/values/attributes/%00")

    assert (query.status_code, path.status_code) == (400, 400)


@pytest.mark.parametrize("written", ["nothing", "1", "{%s}", "urn:uuid:%s", "%s0"])
async def test_a_uuid_has_one_form(house: House, admin: httpx2.AsyncClient, written: str) -> None:
    text = written.replace("%s", str(house.device.public_id))

    ours = await admin.post(f"/api/firstboot/devices/{text}/reopen")
    theirs = await admin.get(f"/api/device/{text}")

    assert (ours.status_code, ours.json()["errors"][0]["path"]) == (400, "deviceId")
    assert (theirs.status_code, theirs.json()["errorCode"]) == (400, 31)


async def test_unknown_and_doubled_parameters_of_our_calls_are_refused(admin: httpx2.AsyncClient) -> None:
    unknown = await admin.get("/api/firstboot/devices", params={"stat": "waiting"})
    doubled = await admin.get("/api/firstboot/devices?limit=1&limit=2")

    assert (unknown.status_code, unknown.json()["errors"][0]["path"]) == (400, "stat")
    assert (doubled.status_code, doubled.json()["errors"][0]["path"]) == (400, "limit")


async def test_bodies_are_bounded_and_uncompressed(tmp_path: Path) -> None:
    async with world_of(tmp_path, http={"max_admin_body": 100}) as world:
        house = await world.house("aardvark")
        admin = await world.person(house.admin)
        body = {"name": "a" * 200, "scopes": ["devices:read"]}

        large = await admin.post("/api/firstboot/tokens", json=body)
        packed = await admin.post("/api/firstboot/tokens", content=b"{}", headers={"content-encoding": "gzip"})

    assert (large.status_code, large.headers["content-type"]) == (413, PROBLEM)
    assert packed.status_code == 415


async def test_our_calls_take_json_by_its_name_and_thingsboard_s_by_any(admin: httpx2.AsyncClient) -> None:
    plain = {"content-type": "text/plain"}

    ours = await admin.post("/api/firstboot/tokens", content=b"{}", headers=plain)
    theirs = await admin.post("/api/customer", content=json.dumps({"title": "c"}).encode(), headers=plain)

    assert (ours.status_code, theirs.status_code) == (415, 200)


async def test_nobody_is_told_what_is_wrong_with_a_body_before_he_may_send_it(world: World, house: House) -> None:
    customer = await world.person(house.user)

    assert (await world.nobody.post("/api/firstboot/tokens", content=b"{")).status_code == 401
    assert (await customer.post("/api/firstboot/tokens", content=b"{")).status_code == 403


async def test_ht_5_links_lead_where_the_configuration_says(tmp_path: Path) -> None:
    async with world_of(tmp_path, http={"public_url": "https://iot.example.com/"}) as world:
        root = await world.sys_admin()
        tenant = (await root.post("/api/firstboot/tenants", json={"name": "acme"})).json()
        forged = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
        made = await root.post(
            f"/api/firstboot/tenants/{tenant['id']}/users", json={"email": "boss@example.com"}, headers=forged
        )

    assert made.json()["activationLink"].startswith("https://iot.example.com/api/noauth/activate?")
