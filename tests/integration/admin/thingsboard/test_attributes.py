"""Attributes over ThingsBoard's REST, with its plain-text errors (contract 5.6)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.integration.admin.thingsboard.rest import Rest, other_tenant

DATA = "/api/plugins/telemetry"


async def device_id(rest: Rest, name: str = "d1") -> str:
    made: str = (await rest.call("POST", "/api/device", {"name": name}))["id"]["id"]
    return made


async def told(rest: Rest, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str]:
    """Make a call that is refused in plain text; return status and text."""
    response = await rest.send(method, path, body, **more)
    assert response.headers["content-type"].startswith("text/plain"), response.text
    return response.status_code, response.text


async def values(rest: Rest, device: str, more: str = "") -> dict[str, Any]:
    found = await rest.call("GET", f"{DATA}/DEVICE/{device}/values/attributes{more}")
    assert all(each.keys() == {"lastUpdateTs", "key", "value"} for each in found)
    assert all(isinstance(each["lastUpdateTs"], int) for each in found)
    return {each["key"]: each["value"] for each in found}


async def test_all_three_paths_set_attributes_and_answer_with_nothing(admin: Rest) -> None:
    device = await device_id(admin)

    for number, path in enumerate(
        (f"{device}/SHARED_SCOPE", f"DEVICE/{device}/SHARED_SCOPE", f"DEVICE/{device}/attributes/SHARED_SCOPE")
    ):
        response = await admin.send("POST", f"{DATA}/{path}", {f"k{number}": True})
        assert (response.status_code, response.content) == (200, b"")

    assert await values(admin, device, "/SHARED_SCOPE") == {"k0": True, "k1": True, "k2": True}


async def test_json_under_the_name_of_text_is_read(admin: Rest) -> None:
    """Contract 5.7: tb-rest-client 4.4."""
    device = await device_id(admin)

    response = await admin.send(
        "POST", f"{DATA}/{device}/SERVER_SCOPE", content=b'{"a": 1}', headers={"Content-Type": "text/plain"}
    )

    assert response.status_code == 200
    assert await values(admin, device) == {"a": 1}


async def test_values_are_typed_and_null_is_no_value(admin: Rest) -> None:
    device = await device_id(admin)

    await admin.call(
        "POST", f"{DATA}/{device}/SERVER_SCOPE",
        {"a": "5", "b": "1.5", "c": "on", "d": {"x": ["5"]}, "e": False, "f": None},
    )  # fmt: skip

    assert await values(admin, device) == {"a": 5, "b": 1.5, "c": "on", "d": {"x": ["5"]}, "e": False}


async def test_attributes_are_read_by_scope_and_key(admin: Rest) -> None:
    device = await device_id(admin)
    await admin.call("POST", f"{DATA}/{device}/SERVER_SCOPE", {"a": 1, "b": 2})
    await admin.call("POST", f"{DATA}/{device}/SHARED_SCOPE", {"c": 3})

    assert await values(admin, device) == {"a": 1, "b": 2, "c": 3}
    assert await values(admin, device, "?keys=a,c,missing") == {"a": 1, "c": 3}
    assert await values(admin, device, "/SERVER_SCOPE?keys=a,c") == {"a": 1}
    assert await values(admin, device, "/CLIENT_SCOPE") == {}
    assert await admin.call("GET", f"{DATA}/DEVICE/{device}/keys/attributes") == ["a", "b", "c"]
    assert await admin.call("GET", f"{DATA}/DEVICE/{device}/keys/attributes/SHARED_SCOPE") == ["c"]


async def test_keys_are_also_named_one_by_one_because_they_may_have_commas(admin: Rest) -> None:
    """Contract 5.7: tb-rest-client 4.4."""
    device = await device_id(admin)
    await admin.call("POST", f"{DATA}/{device}/SERVER_SCOPE", {"a": 1, "b,c": 2, "d": 3, "e": 4})

    assert await values(admin, device, "?key=b,c") == {"b,c": 2}
    assert await values(admin, device, "/SERVER_SCOPE?key=a&key=b,c&keys=d,missing") == {"a": 1, "b,c": 2, "d": 3}
    await admin.call("DELETE", f"{DATA}/{device}/SERVER_SCOPE?key=b,c&key=d")
    await admin.call("DELETE", f"{DATA}/DEVICE/{device}/SERVER_SCOPE?key=e")
    assert await values(admin, device) == {"a": 1}
    assert (await told(admin, "DELETE", f"{DATA}/{device}/SERVER_SCOPE?key=&key="))[0] == 400
    assert (await told(admin, "DELETE", f"{DATA}/{device}/SERVER_SCOPE?key={'x' * 256}"))[0] == 400


async def test_attributes_are_deleted_and_unknown_keys_do_not_matter(admin: Rest) -> None:
    device = await device_id(admin)
    await admin.call("POST", f"{DATA}/{device}/SERVER_SCOPE", {"a": 1, "b": 2, "c": 3})

    first = await admin.send("DELETE", f"{DATA}/DEVICE/{device}/SERVER_SCOPE?keys=a,missing")
    await admin.call("DELETE", f"{DATA}/{device}/SERVER_SCOPE?keys=b")

    assert (first.status_code, first.content) == (200, b"")
    assert await values(admin, device) == {"c": 3}


async def test_errors_are_plain_text(admin: Rest) -> None:
    device = await device_id(admin)
    server, missing = f"{DATA}/{device}/SERVER_SCOPE", uuid4()

    async def raw(body: bytes) -> tuple[int, str]:
        return await told(admin, "POST", server, content=body)

    assert await told(admin, "POST", f"{DATA}/{device}/CLIENT_SCOPE", {"a": 1}) == (
        400,
        "Invalid scope: CLIENT_SCOPE",
    )
    assert await told(admin, "POST", f"{DATA}/{device}/NO_SCOPE", {"a": 1}) == (400, "Invalid scope: NO_SCOPE")
    assert await told(admin, "DELETE", f"{DATA}/{device}/NO_SCOPE?keys=a") == (400, "Invalid scope: NO_SCOPE")
    assert await told(admin, "DELETE", f"{server}?keys=") == (400, "Empty keys: []")
    assert await told(admin, "DELETE", server) == (400, "Empty keys: []")
    assert await raw(b"{") == (400, "Invalid JSON")
    assert await raw(b'{"a":1,"a":2}') == (400, "Invalid JSON")
    assert await raw(b"[" * 100_000) == (400, "Invalid JSON")
    assert await raw(b"[1]") == (400, "Request is not a JSON object")
    assert await raw(b"") == (400, "No attributes data found in request body!")
    assert await raw(b"{}") == (400, "No attributes data found in request body!")
    assert await raw(b'{" ": 1}') == (400, "Key cannot be blank")
    for method, path in (
        ("GET", f"{DATA}/DEVICE/{missing}/values/attributes"),
        ("GET", f"{DATA}/DEVICE/{missing}/values/timeseries"),
        ("DELETE", f"{DATA}/{missing}/SERVER_SCOPE?keys=a"),
    ):
        assert await told(admin, method, path) == (404, "Device with requested id wasn't found!")


async def test_customers_reach_attributes_of_their_own_devices_only(admin: Rest) -> None:
    """TN-1."""
    customer = await admin.customer()
    user = await admin.active_user("u@example.com", customer)
    own, foreign = await device_id(admin, "own"), await device_id(admin, "foreign")
    await admin.call("POST", f"/api/customer/{customer['id']['id']}/device/{own}")
    other = await other_tenant(admin.server)

    await user.call("POST", f"{DATA}/{own}/SHARED_SCOPE", {"a": 1})

    assert await values(user, own) == {"a": 1, "claimed": True}
    for who, device, status in ((user, foreign, 403), (other, own, 404)):
        for method, path, body in (
            ("POST", f"{device}/SHARED_SCOPE", {"a": 2}),
            ("DELETE", f"{device}/SHARED_SCOPE?keys=a", None),
            ("GET", f"DEVICE/{device}/values/attributes", None),
            ("GET", f"DEVICE/{device}/keys/attributes", None),
            ("GET", f"DEVICE/{device}/values/timeseries", None),
            ("GET", f"DEVICE/{device}/keys/timeseries", None),
        ):
            assert (await told(who, method, f"{DATA}/{path}", body))[0] == status, path
    assert await values(admin, own) == {"a": 1, "claimed": True}


async def test_customers_do_not_decide_who_gets_a_device(admin: Rest) -> None:
    customer = await admin.customer()
    user = await admin.active_user("u@example.com", customer)
    own = await device_id(admin)
    await admin.call("POST", f"/api/customer/{customer['id']['id']}/device/{own}")
    data = {"secretKey": "***", "expirationTime": 1}
    reserved = {"provisionState": "x", "claimingData": data, "claimingAllowed": True}
    await admin.call("POST", f"{DATA}/{own}/SERVER_SCOPE", reserved)

    for key in reserved:
        assert (await told(user, "POST", f"{DATA}/{own}/SERVER_SCOPE", {"a": 1, key: "y"}))[0] == 403
        assert (await told(user, "DELETE", f"{DATA}/{own}/SERVER_SCOPE?keys={key}"))[0] == 403

    assert await values(admin, own, "/SERVER_SCOPE") == reserved


async def test_a_deleted_provision_state_opens_the_device_again(admin: Rest) -> None:
    device = await device_id(admin)
    await admin.call("POST", f"{DATA}/{device}/SERVER_SCOPE", {"provisionState": "provisioned"})
    before = await admin.server.device("d1")

    await admin.call("DELETE", f"{DATA}/{device}/SERVER_SCOPE?keys=provisionState")

    after = await admin.server.device("d1")
    assert (before and before.provision_state, after and after.provision_state) == ("provisioned", None)


async def test_programs_need_the_scope_to_read_and_the_scope_to_write(admin: Rest) -> None:
    device = await device_id(admin)
    reader, writer = await admin.program("attributes:read"), await admin.program("attributes:write")

    await writer.call("POST", f"{DATA}/{device}/SERVER_SCOPE", {"a": 1})

    assert await values(reader, device) == {"a": 1}
    assert (await told(reader, "POST", f"{DATA}/{device}/SERVER_SCOPE", {"a": 2}))[0] == 403
    assert (await told(writer, "GET", f"{DATA}/DEVICE/{device}/values/attributes"))[0] == 403
