"""Dashboards: kept and given back as they are (contract section 9)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.integration.thinger.account import Account

BOARD: dict[str, Any] = {
    "dashboard": "meter1",
    "name": "Meter 1",
    "description": "",
    "tabs": [{"name": "Main", "widgets": []}],
    "widgets": [{"type": "chart", "{device}": "{device}", "any": [None, 1.5, "ä"]}],
}


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    assert list(answer.json()) == ["error"]
    return answer.status_code, answer.json()["error"]["message"]


async def test_tg_9_a_dashboard_comes_back_as_it_was_sent(thinger: Account) -> None:
    token = await thinger.token()

    made = await thinger.call("POST", "/dashboards", token, BOARD)
    shown = await thinger.call("GET", "/dashboards/meter1", token)
    changed = await thinger.call("PUT", "/dashboards/meter1", token, {"widgets": [], "controls": {"a": 1}})
    listed = await thinger.call("GET", "/dashboards", token)
    deleted = await thinger.call("DELETE", "/dashboards/meter1", token)
    after = await thinger.call("GET", "/dashboards/meter1", token)

    assert [each.status_code for each in (made, shown, changed, listed, deleted)] == [200] * 5
    created = made.json()["created"]
    assert made.json() == shown.json() == {**BOARD, "created": created, "modified": created}
    assert {**changed.json(), "modified": created} == {**shown.json(), "widgets": [], "controls": {"a": 1}}
    assert listed.json() == [changed.json()]
    assert refusal(after) == (404, "not found")


async def test_tg_9_a_dashboard_may_be_larger_than_other_bodies_but_not_without_bound(thinger: Account) -> None:
    token = await thinger.token()
    text = "x" * 60_000

    large = await thinger.call("POST", "/dashboards", token, {**BOARD, "widgets": [text] * 4})
    larger = await thinger.call("POST", "/dashboards", token, {**BOARD, "dashboard": "b", "widgets": [text] * 5})
    bucket = {"bucket": "b1", "name": "b", "enabled": True, "config": {"source": "api"}, "description": text}

    assert large.json()["widgets"] == [text] * 4
    assert refusal(larger)[0] == 413
    assert refusal(await thinger.call("POST", "/buckets", token, bucket))[0] == 413


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({**BOARD, "dashboard": "a/b"}, "invalid dashboard id"),
        ({"dashboard": "a", "widgets": []}, "missing field: name"),
        ({"dashboard": "a", "name": "a"}, "missing field: widgets"),
        ({**BOARD, "widgets": {}}, "invalid field: widgets"),
        ({**BOARD, "colour": "red"}, "unknown field: colour"),
        ({**BOARD, "dashboard": "taken"}, "dashboard 'taken' already exists"),
    ],
)
async def test_tg_9_a_dashboard_that_breaks_a_rule_is_400(
    sqlite_thinger: Account, body: dict[str, Any], message: str
) -> None:
    token = await sqlite_thinger.token()
    await sqlite_thinger.call("POST", "/dashboards", token, {**BOARD, "dashboard": "taken"})

    assert refusal(await sqlite_thinger.call("POST", "/dashboards", token, body)) == (400, message)
    assert len((await sqlite_thinger.call("GET", "/dashboards", token)).json()) == 1


async def test_tg_2_6_each_call_of_a_dashboard_needs_its_own_right(sqlite_thinger: Account) -> None:
    await sqlite_thinger.call("POST", "/dashboards", await sqlite_thinger.token(), BOARD)
    nothing = await sqlite_thinger.token({"Bucket": {"*": "*"}}, "nothing")

    for method, path, action in [
        ("GET", "", "ListDashboards"),
        ("POST", "", "CreateDashboard"),
        ("GET", "/meter1", "ReadDashboardConfig"),
        ("PUT", "/meter1", "UpdateDashboard"),
        ("DELETE", "/meter1", "DeleteDashboard"),
    ]:
        only = await sqlite_thinger.token({"Dashboard": {"meter1": action}}, f"only_{action}")
        body = BOARD if method in ("POST", "PUT") else None

        refused = await sqlite_thinger.call(method, f"/dashboards{path}", nothing, body)
        assert refusal(refused) == (403, f"forbidden: {action}")
        allowed = await sqlite_thinger.call(method, f"/dashboards{path}", only, body)
        assert allowed.status_code == (400 if action == "CreateDashboard" else 200)
