"""Buckets over REST: made, changed, written to, read, exported and cleared (contract section 8)."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.thinger.account import Account
from tests.integration.thinger.sessions import account_on

from firstboot.clock import Clock
from firstboot.model import ResourceRow
from firstboot_plugins.dialects.thinger.retention import purge

BUCKET: dict[str, Any] = {"bucket": "b1", "name": "Meter 1", "enabled": True, "config": {"source": "api"}}
MINUTE_MS = 60_000


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    assert list(answer.json()) == ["error"]
    return answer.status_code, answer.json()["error"]["message"]


async def make(account: Account, token: str, **fields: Any) -> httpx2.Response:
    answer = await account.call("POST", "/buckets", token, BUCKET | fields)
    assert answer.status_code == 200, answer.text
    return answer


async def fill(account: Account, *rows: tuple[int, Any], bucket: str = "b1") -> None:
    resources = account.server.services.resources
    found = await resources.get(account.tenant.id, "thinger-bucket", bucket)
    await resources.append(found, [ResourceRow(*row) for row in rows])


async def data(account: Account, token: str, bucket: str = "b1", **query: str) -> list[tuple[int, Any]]:
    answer = await account.call("GET", f"/buckets/{bucket}/data", token, params=query)
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    return [(row["ts"], row["val"]) for row in answer.json()]


async def test_tg_8_a_bucket_is_made_shown_changed_and_deleted_with_200(thinger: Account) -> None:
    token = await thinger.token()

    made = await make(thinger, token, description="All of it", retention={"period": 90, "unit": "days"})
    shown = await thinger.call("GET", "/buckets/b1", token)
    changed = await thinger.call("PUT", "/buckets/b1", token, {"bucket": "b1", "enabled": False})
    listed = await thinger.call("GET", "/buckets", token)
    deleted = await thinger.call("DELETE", "/buckets/b1", token)

    assert [each.status_code for each in (shown, changed, listed, deleted)] == [200] * 4
    created = made.json()["created"]
    kept = {**BUCKET, "description": "All of it", "retention": {"period": 90, "unit": "days"}}
    assert made.json() == shown.json() == {**kept, "created": created, "modified": created}
    assert listed.json() == [changed.json()]
    assert {**changed.json(), "modified": created} == {**shown.json(), "enabled": False}
    for method, path in [("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/data"), ("GET", "/export")]:
        body = {} if method == "PUT" else None
        assert refusal(await thinger.call(method, f"/buckets/b1{path}", token, body)) == (404, "not found")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({**BUCKET, "bucket": "b 1"}, "invalid bucket id"),
        ({**BUCKET, "bucket": "x" * 33}, "invalid bucket id"),
        ({"name": "a", "enabled": True, "config": {"source": "api"}}, "missing field: bucket"),
        ({**BUCKET, "bucket": "taken"}, "bucket 'taken' already exists"),
        ({**BUCKET, "colour": "red"}, "unknown field: colour"),
        ({**BUCKET, "config": {"source": "api", "topic": "a"}}, "unknown field: topic"),
        ([BUCKET], "the body is not a JSON object"),
    ],
)
async def test_tg_8_a_body_that_breaks_a_rule_is_400_and_makes_nothing(
    sqlite_thinger: Account, body: Any, message: str
) -> None:
    token = await sqlite_thinger.token()
    await make(sqlite_thinger, token, bucket="taken")

    assert refusal(await sqlite_thinger.call("POST", "/buckets", token, body)) == (400, message)
    assert len((await sqlite_thinger.call("GET", "/buckets", token)).json()) == 1


async def test_tg_8_a_change_that_breaks_a_rule_is_400_and_changes_nothing(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    before = (await make(sqlite_thinger, token)).json()

    for change in ({"bucket": "b2"}, {"colour": "red"}, {"config": {"source": "mqtt"}}, {"enabled": 1}):
        assert refusal(await sqlite_thinger.call("PUT", "/buckets/b1", token, change))[0] == 400
    assert (await sqlite_thinger.call("GET", "/buckets/b1", token)).json() == before


CALLS = [
    ("GET", "/buckets", "ListBuckets"),
    ("POST", "/buckets", "CreateBucket"),
    ("GET", "/buckets/b1", "ReadBucketConfig"),
    ("PUT", "/buckets/b1", "UpdateBucket"),
    ("DELETE", "/buckets/b1", "DeleteBucket"),
    ("GET", "/buckets/b1/data", "ReadBucket"),
    ("POST", "/buckets/b1/data", "WriteBucket"),
    ("DELETE", "/buckets/b1/data", "ClearBucket"),
    ("GET", "/buckets/b1/export", "ExportBucket"),
]


async def test_tg_2_6_each_call_of_a_bucket_needs_its_own_right(sqlite_thinger: Account) -> None:
    full = await sqlite_thinger.token()
    for number, (method, path, action) in enumerate(CALLS):
        await sqlite_thinger.call("DELETE", "/buckets/b1", full)
        if method != "POST" or path != "/buckets":
            await make(sqlite_thinger, full)
        others = sorted({each for _, _, each in CALLS} - {action})
        if action == "ReadBucketConfig":
            others.remove("ListBuckets")  # whoever may list them sees the same
        all_but = await sqlite_thinger.token({"Bucket": {"*": others}, "Device": {"*": "*"}}, f"all_but_{number}")
        elsewhere = await sqlite_thinger.token({"Bucket": {"b2": "*"}}, f"elsewhere_{number}")
        only = await sqlite_thinger.token({"Bucket": {"b1": action}}, f"only_{number}")
        body = BUCKET if method in ("POST", "PUT") else None

        refused = await sqlite_thinger.call(method, path, all_but, body)
        assert refusal(refused) == (403, f"forbidden: {action}"), (method, path)
        if action != "ListBuckets":
            assert (await sqlite_thinger.call(method, path, elsewhere, body)).status_code == 403
        assert (await sqlite_thinger.call(method, path, only, body)).status_code == 200


async def test_tg_8_a_bucket_of_another_account_is_out_of_reach(sqlite_thinger: Account) -> None:
    tenant = await sqlite_thinger.server.services.tenants.create("bob", actor="test")
    bob = Account(sqlite_thinger.server, tenant, sqlite_thinger.client)
    alices, bobs = await sqlite_thinger.token(), await bob.token(name="bobs")
    await make(sqlite_thinger, alices)

    for method, path, _ in CALLS[2:]:
        body = BUCKET if method in ("POST", "PUT") else None
        assert (await sqlite_thinger.call(method, path, bobs, body)).status_code == 403
        assert (await bob.call(method, path, bobs, body)).status_code == 404
    assert (await bob.call("GET", "/buckets", bobs)).json() == []
    await make(bob, bobs)


# -- writing and reading ---------------------------------------------------------------------------

VALUES: list[Any] = [{"t": 21.5, "deep": {"a": [None]}}, [1, "two"], "text", 0, False, {}, -1e300]


async def test_tg_8_what_is_written_is_read_with_the_servers_time(thinger: Account) -> None:
    token = await thinger.token()
    await make(thinger, token)
    before_ms = thinger.server.services.clock.now_ms()

    for value in VALUES:
        answer = await thinger.call("POST", "/buckets/b1/data", token, value)
        assert (answer.status_code, answer.json()) == (200, {})

    rows = await data(thinger, token, sort="asc")
    assert [value for _, value in rows] == VALUES
    after_ms = thinger.server.services.clock.now_ms()
    assert all(before_ms <= at_ms <= after_ms for at_ms, _ in rows)


async def test_tg_8_the_token_may_be_in_the_query_of_a_read(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    await make(sqlite_thinger, token)
    await fill(sqlite_thinger, (1, "a"))

    answer = await sqlite_thinger.call("GET", "/buckets/b1/data", params={"authorization": token, "items": "1"})

    assert answer.json() == [{"ts": 1, "val": "a"}]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 400), (b"null", 400), (b"{", 400), (b"NaN", 400), (b'{"a":1,"a":2}', 400), (b"[" * 100, 400),
        (b"1e999", 400), (b"\xff", 400), (b'"' + b"x" * 17_000 + b'"', 413),
    ],
)  # fmt: skip
async def test_tg_8_what_is_no_row_is_refused_and_not_kept(
    sqlite_thinger: Account, sent: bytes, status: int
) -> None:
    token = await sqlite_thinger.token()
    await make(sqlite_thinger, token)

    answer = await sqlite_thinger.call(
        "POST", "/buckets/b1/data", token, content=sent, headers={"content-type": "application/json"}
    )

    assert refusal(answer)[0] == status
    assert await data(sqlite_thinger, token) == []


async def test_tg_8_a_bucket_that_is_off_takes_nothing_and_says_so_but_can_be_read(thinger: Account) -> None:
    token = await thinger.token()
    await make(thinger, token)
    await fill(thinger, (1, "before"))
    await thinger.call("PUT", "/buckets/b1", token, {"enabled": False})

    assert refusal(await thinger.call("POST", "/buckets/b1/data", token, 1)) == (403, "bucket is disabled")
    assert await data(thinger, token) == [(1, "before")]
    await thinger.call("PUT", "/buckets/b1", token, {"enabled": True})
    assert (await thinger.call("POST", "/buckets/b1/data", token, 1)).status_code == 200
    assert len(await data(thinger, token)) == 2


async def test_tg_8_the_ten_newest_rows_are_told_unless_others_are_asked_for(thinger: Account) -> None:
    token = await thinger.token()
    await make(thinger, token)
    await fill(thinger, *((at_ms, at_ms) for at_ms in range(100)))

    async def moments(**query: str) -> list[int]:
        return [at_ms for at_ms, _ in await data(thinger, token, **query)]

    assert await moments() == list(range(99, 89, -1))
    assert await moments(items="3") == [99, 98, 97]
    assert await moments(items="0") == []
    assert await moments(items="1000") == list(range(99, -1, -1))
    assert await moments(items="2", sort="asc") == [0, 1]
    assert await moments(min_ts="97") == [99, 98, 97]
    assert await moments(max_ts="1") == [1, 0]
    assert await moments(min_ts="10", max_ts="12", sort="asc") == [10, 11, 12]
    assert await moments(min_ts="12", max_ts="10") == []


@pytest.mark.parametrize("name", ["items", "min_ts", "max_ts", "sort", "agg", "agg_type"])
async def test_tg_8_a_parameter_that_is_none_is_400(sqlite_thinger: Account, name: str) -> None:
    token = await sqlite_thinger.token()
    await make(sqlite_thinger, token)

    for path in ("data", "export"):
        answer = await sqlite_thinger.call("GET", f"/buckets/b1/{path}", token, params={name: "bad"})
        assert refusal(answer) == (400, f"invalid parameter: {name}")


async def test_tg_8_steps_of_time_are_summed_up_the_newest_first(thinger: Account) -> None:
    token = await thinger.token()
    await make(thinger, token)
    # Long ago, with gaps, and more rows in a step than are read at once.
    await fill(thinger, *((5 * MINUTE_MS + n, {"t": n, "text": "x"}) for n in range(1001)))
    await fill(thinger, (9 * MINUTE_MS, {"t": 1}), (9 * MINUTE_MS + 1, {"t": 4, "h": 2}), (10 * MINUTE_MS, "x"))

    assert await data(thinger, token, agg="1m") == [
        (9 * MINUTE_MS, {"t": 2.5, "h": 2}),
        (5 * MINUTE_MS, {"t": 500}),
    ]
    assert await data(thinger, token, agg="1m", agg_type="last", sort="asc", items="1") == [
        (5 * MINUTE_MS, {"t": 1000})
    ]
    assert await data(thinger, token, agg="1m", agg_type="first", items="1") == [(9 * MINUTE_MS, {"t": 1, "h": 2})]
    assert await data(thinger, token, agg="1h", agg_type="count") == [(0, {"t": 1003, "h": 1})]
    assert await data(thinger, token, agg="1m", agg_type="sum", max_ts=str(5 * MINUTE_MS + 2)) == [
        (5 * MINUTE_MS, {"t": 3})
    ]
    assert await data(thinger, token, agg="1m", items="0") == []


async def test_tg_8_an_answer_has_a_largest_size_and_a_sum_a_largest_number_of_rows(tmp_path: Path) -> None:
    async with account_on(tmp_path, max_query_rows=5, max_summed_rows=20) as account:
        token = await account.token()
        await make(account, token)
        await fill(account, *((at_ms, at_ms) for at_ms in range(21)))

        assert len(await data(account, token, items="100")) == 5
        assert await data(account, token, agg="1s", agg_type="count", min_ts="1") == [(0, 20)]
        answer = await account.call("GET", "/buckets/b1/data", token, params={"agg": "1s"})
        assert refusal(answer) == (400, "more than 20 rows: ask for less time")


# -- exporting and clearing ------------------------------------------------------------------------


async def test_tg_8_everything_is_exported_as_json_or_csv(thinger: Account) -> None:
    token = await thinger.token()
    await make(thinger, token)
    await fill(thinger, *((at_ms // 2, {"t": at_ms, "=1+1": "@x"}) for at_ms in range(1200)))

    as_json = await thinger.call("GET", "/buckets/b1/export", token)
    as_csv = await thinger.call("GET", "/buckets/b1/export?format=csv&min_ts=1&max_ts=1", token)

    assert as_json.headers["content-type"] == "application/json"
    assert as_json.headers["content-disposition"] == 'attachment; filename="b1.json"'
    assert [row["val"]["t"] for row in as_json.json()] == list(range(1200))
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(as_csv.text))) == [
        ["ts", "key", "value"],
        ["1", "t", "2"],
        ["1", "'=1+1", "'@x"],
        ["1", "t", "3"],
        ["1", "'=1+1", "'@x"],
    ]


async def test_tg_8_an_export_of_nothing_is_empty_and_one_in_another_format_is_400(
    sqlite_thinger: Account,
) -> None:
    token = await sqlite_thinger.token()
    await make(sqlite_thinger, token)

    assert json.loads((await sqlite_thinger.call("GET", "/buckets/b1/export", token)).text) == []
    wrong = await sqlite_thinger.call("GET", "/buckets/b1/export?format=xlsx", token)
    assert refusal(wrong) == (400, "invalid parameter: format")
    assert (await sqlite_thinger.call("HEAD", "/buckets/b1/export", token)).status_code == 405


async def test_tg_8_a_bucket_is_cleared_and_stays(thinger: Account) -> None:
    token = await thinger.token()
    await make(thinger, token)
    await make(thinger, token, bucket="b2")
    await fill(thinger, *((at_ms, at_ms) for at_ms in range(6000)))
    await fill(thinger, (1, "kept"), bucket="b2")

    cleared = await thinger.call("DELETE", "/buckets/b1/data", token)

    assert (cleared.status_code, cleared.json()) == (200, {})
    assert await data(thinger, token) == []
    assert await data(thinger, token, "b2") == [(1, "kept")]
    audited = [row.entry for row in await thinger.server.audit() if row.entry.event == "resource-cleared"]
    assert [(entry.actor, entry.detail) for entry in audited] == [("api-token:tests", "thinger-bucket b1")]


async def test_tg_8_a_bucket_that_is_made_again_is_empty(thinger: Account) -> None:
    token = await thinger.token()
    await make(thinger, token)
    await fill(thinger, (1, "old"))

    await thinger.call("DELETE", "/buckets/b1", token)
    await make(thinger, token)

    assert await data(thinger, token) == []


# -- limits and time -------------------------------------------------------------------------------


async def test_tg_13_an_account_has_a_largest_number_of_buckets(tmp_path: Path) -> None:
    async with account_on(tmp_path, max_buckets=2) as account:
        token = await account.token()
        for bucket in ("b1", "b2"):
            await make(account, token, bucket=bucket)

        over = await account.call("POST", "/buckets", token, BUCKET | {"bucket": "b3"})
        forbidden = await account.call("POST", "/buckets", await account.token({}, "nothing"), BUCKET)
        assert refusal(over) == (400, "bucket limit reached")
        assert refusal(forbidden) == (403, "forbidden: CreateBucket")
        await account.call("DELETE", "/buckets/b1", token)
        await make(account, token, bucket="b3")

        tenant = await account.server.services.tenants.create("bob", actor="test")
        bob = Account(account.server, tenant, account.client)
        await make(bob, await bob.token(name="bobs"))


async def test_tg_8_rows_are_deleted_when_their_time_is_over(tmp_path: Path) -> None:
    now_ms = 2_000_000_000_000
    async with account_on(tmp_path, clock=Clock(now_ms=lambda: now_ms)) as account:
        token = await account.token()
        day_ms = 86_400_000
        rows = [(now_ms - days * day_ms, days) for days in (400, 31, 8, 2, 1, 0)]
        periods: dict[str, Any] = {
            "none": None, "ever": (0, "years"), "day": (1, "days"), "week": (1, "weeks"), "month": (1, "months"),
            "year": (1, "years"), "hours": (36, "hours"), "off": (1, "days"),
        }  # fmt: skip
        for name, retention in periods.items():
            more = {"retention": dict(zip(("period", "unit"), retention, strict=True))} if retention else {}
            await make(account, token, bucket=name, enabled=name != "off", **more)
            await fill(account, *rows, bucket=name)

        await purge(account.parts)

        kept = {name: [days for _, days in await data(account, token, name)] for name in periods}
        assert kept == {
            "none": [0, 1, 2, 8, 31, 400],
            "ever": [0, 1, 2, 8, 31, 400],
            "day": [0, 1],
            "week": [0, 1, 2],
            "month": [0, 1, 2, 8],
            "year": [0, 1, 2, 8, 31],
            "hours": [0, 1],
            "off": [0, 1],
        }


async def test_tg_8_the_server_deletes_old_rows_by_itself(tmp_path: Path) -> None:
    async with account_on(tmp_path, retention_interval="20ms") as account:
        token = await account.token()
        await make(account, token, retention={"period": 1, "unit": "hours"})
        await fill(account, (1, "old"))

        async with asyncio.timeout(10):
            while await data(account, token):
                pass
