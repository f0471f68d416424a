"""Asset types and groups (contract section 7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import running
from tests.integration.thinger.account import Account

KINDS = pytest.mark.parametrize("kind", ["type", "group"])


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    assert list(answer.json()) == ["error"]
    return answer.status_code, answer.json()["error"]["message"]


@KINDS
async def test_tg_7_an_asset_is_made_shown_changed_and_deleted_with_200(thinger: Account, kind: str) -> None:
    token, every, one = await thinger.token(), f"/{kind}s", f"/{kind}s/meter"

    made = await thinger.call("POST", every, token, {kind: "meter", "name": "Meter", "description": ""})
    shown = await thinger.call("GET", one, token)
    changed = await thinger.call("PUT", one, token, {"description": "All of them"})
    listed = await thinger.call("GET", every, token)
    deleted = await thinger.call("DELETE", one, token)
    after = await thinger.call("GET", one, token)

    assert [each.status_code for each in (made, shown, changed, listed, deleted)] == [200] * 5
    created = made.json()["created"]
    assert (
        made.json()
        == shown.json()
        == {
            kind: "meter",
            "name": "Meter",
            "description": "",
            "created": created,
            "modified": created,
        }
    )
    assert (changed.json()["name"], changed.json()["description"]) == ("Meter", "All of them")
    assert listed.json() == [changed.json()]
    assert refusal(after) == (404, "not found")


async def test_tg_7_a_group_may_be_in_another(sqlite_thinger: Account) -> None:
    made = await sqlite_thinger.call(
        "POST", "/groups", await sqlite_thinger.token(), {"group": "lab", "parent": "site1"}
    )

    assert made.json()["parent"] == "site1"


@KINDS
@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"name": "x"}, "missing field: {}"),
        ({"{}": "a b"}, "invalid {} id"),
        ({"{}": "taken"}, "{} 'taken' already exists"),
        ({"{}": "meter", "colour": "red"}, "unknown field: colour"),
        ({"{}": "meter", "name": 1}, "invalid field: name"),
        ([], "the body is not a JSON object"),
    ],
)
async def test_tg_7_a_body_that_breaks_a_rule_is_400(
    sqlite_thinger: Account, kind: str, sent: Any, message: str
) -> None:
    token = await sqlite_thinger.token()
    await sqlite_thinger.call("POST", f"/{kind}s", token, {kind: "taken"})
    body = {key.format(kind): value for key, value in sent.items()} if isinstance(sent, dict) else sent

    answer = await sqlite_thinger.call("POST", f"/{kind}s", token, body)

    assert refusal(answer) == (400, message.format(kind))


@KINDS
async def test_tg_2_6_each_call_of_an_asset_needs_its_right(sqlite_thinger: Account, kind: str) -> None:
    await sqlite_thinger.call("POST", f"/{kind}s", await sqlite_thinger.token(), {kind: "meter"})
    nothing = await sqlite_thinger.token({"Device": {"*": "*"}}, "nothing")
    title = kind.title()

    for method, path, action in [
        ("GET", f"/{kind}s", f"List{title}s"),
        ("POST", f"/{kind}s", f"Create{title}"),
        ("GET", f"/{kind}s/meter", f"Read{title}Config"),
        ("PUT", f"/{kind}s/meter", f"Update{title}"),
        ("DELETE", f"/{kind}s/meter", f"Delete{title}"),
    ]:
        body = {kind: "meter"} if method in ("POST", "PUT") else None
        answer = await sqlite_thinger.call(method, path, nothing, body)

        assert refusal(answer) == (403, f"forbidden: {action}")


async def test_tg_7_a_list_has_what_is_allowed_and_asked_for(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    for id_, name in [("b", "Meters"), ("a", "Lamps"), ("meter", "")]:
        await sqlite_thinger.call("POST", "/types", token, {"type": id_, "name": name})
    some = await sqlite_thinger.token({"Type": {"a": "ListTypes", "none": "ListTypes"}}, "some")

    async def listed(token: str, query: str = "") -> list[str]:
        return [each["type"] for each in (await sqlite_thinger.call("GET", f"/types{query}", token)).json()]

    assert await listed(token) == ["a", "b", "meter"]
    assert await listed(token, "?name=METER") == ["b", "meter"]
    assert await listed(token, "?count=1&index=1") == ["b"]
    assert await listed(some) == ["a"]


async def test_tg_7_types_and_groups_that_a_device_names_are_made_with_it(thinger: Account) -> None:
    token = await thinger.token({"Device": {"*": "*"}}, "devices only")
    sent = {"credentials": "a credential", "asset_type": "meter", "asset_group": "lab"}

    await thinger.call("POST", "/devices", token, {"device": "m1", **sent})
    await thinger.call("POST", "/devices", token, {"device": "m2", **sent})
    await thinger.call("PUT", "/devices/m2", token, {"asset_group": "cellar"})

    full = await thinger.token()
    types = (await thinger.call("GET", "/types", full)).json()
    groups = (await thinger.call("GET", "/groups", full)).json()
    assert [each["type"] for each in types] == ["meter"]
    assert [each["group"] for each in groups] == ["cellar", "lab"]


async def test_tg_7_a_device_that_is_not_made_leaves_no_type_behind(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    device = {"device": "m1", "credentials": "a credential"}
    await sqlite_thinger.call("POST", "/devices", token, device)

    await sqlite_thinger.call("POST", "/devices", token, {**device, "asset_type": "meter"})

    assert (await sqlite_thinger.call("GET", "/types", token)).json() == []


async def test_tg_7_none_are_made_when_the_server_says_so(tmp_path: Path) -> None:
    async with (
        running(tmp_path, thinger={"auto_create_assets": False}) as server,
        httpx2.AsyncClient() as client,
    ):
        account = Account(server, await server.services.tenants.create("alice", actor="test"), client)
        token = await account.token()

        made = await account.call("POST", "/devices", token, {"device": "m", "type": "HTTP", "asset_type": "t"})
        types = await account.call("GET", "/types", token)

    assert made.json()["asset_type"] == "t"
    assert types.json() == []


async def test_tg_7_node_red_is_told_what_there_is(sqlite_thinger: Account) -> None:
    answer = await sqlite_thinger.client.get(
        f"{sqlite_thinger.server.url}/v1/server/assets",
        headers={"Authorization": f"Bearer {await sqlite_thinger.token()}"},
    )

    assert {"asset": "device", "role": "user"} in answer.json()
    assert {"asset": "bucket", "role": "user"} in answer.json()
    assert {each["role"] for each in answer.json()} == {"user"}
