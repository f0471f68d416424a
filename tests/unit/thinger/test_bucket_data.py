"""What is asked of a bucket, and summing its rows up (contract 8)."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.model import ResourceRow
from firstboot_plugins.dialects.thinger import aggregates
from firstboot_plugins.dialects.thinger.aggregates import AGGREGATES, Steps
from firstboot_plugins.dialects.thinger.bucket_exports import as_csv, as_json
from firstboot_plugins.dialects.thinger.bucket_queries import BucketQuery
from firstboot_plugins.dialects.thinger.errors import ThingerError

MINUTE_MS = 60_000
EXPECTED: dict[str, Callable[[list[float]], float]] = {
    "mean": statistics.fmean,
    "min": min,
    "max": max,
    "sum": math.fsum,
    "count": len,
    "first": lambda numbers: numbers[0],
    "last": lambda numbers: numbers[-1],
}


def summed_up(
    rows: Sequence[ResourceRow], aggregate: str, *, step_ms: int = MINUTE_MS, most: int = 1000, oldest: bool = True
) -> list[dict[str, Any]]:
    steps = Steps(step_ms, most, oldest_first=oldest)
    for row in rows if oldest else reversed(rows):
        if not steps.take(row):
            break
    return steps.told(aggregate)


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("oldest", [True, False])
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 5 * MINUTE_MS),
            st.dictionaries(st.sampled_from("ab"), st.integers(-1000, 1000) | st.just("text") | st.booleans()),
        ),
        max_size=20,
    )
)
def test_tg_8_each_step_has_each_numbers_aggregate(
    aggregate: str, oldest: bool, rows: list[tuple[int, dict[str, Any]]]
) -> None:
    in_order = sorted(rows, key=lambda row: row[0])
    expected: dict[int, dict[str, list[float]]] = {}
    for at_ms, value in in_order:
        for key, number in value.items():
            if type(number) is int:
                expected.setdefault(at_ms - at_ms % MINUTE_MS, {}).setdefault(key, []).append(number)

    told = summed_up([ResourceRow(*row) for row in in_order], aggregate, oldest=oldest)

    assert [step["ts"] for step in told] == sorted(expected, reverse=not oldest)
    for step in told:
        assert step["val"] == {
            key: pytest.approx(EXPECTED[aggregate](numbers)) for key, numbers in expected[step["ts"]].items()
        }


def test_tg_8_rows_that_are_numbers_are_summed_up_as_numbers() -> None:
    rows = [
        ResourceRow(1, 1),
        ResourceRow(2, 3),
        ResourceRow(3, "text"),
        ResourceRow(4, [5]),
        ResourceRow(5, True),
    ]

    assert summed_up(rows, "mean") == [{"ts": 0, "val": 2}]
    assert summed_up([*rows, ResourceRow(6, {"a": 7})], "mean") == [{"ts": 0, "val": {"value": 2, "a": 7}}]


def test_tg_8_no_more_steps_than_wanted_and_no_more_rows_than_they_need() -> None:
    steps = Steps(10, 2, oldest_first=False)

    taken = [steps.take(ResourceRow(at_ms, 1)) for at_ms in (35, 31, 12, 9)]

    assert taken == [True, True, True, False]
    assert steps.told("count") == [{"ts": 30, "val": 2}, {"ts": 10, "val": 1}]
    assert summed_up([ResourceRow(1, 1)], "sum", most=0) == []


def test_tg_8_a_sum_beyond_all_numbers_is_null_and_never_no_json() -> None:
    rows = [ResourceRow(1, 1e308), ResourceRow(2, 1e308)]

    assert json.loads(json.dumps(summed_up(rows, "sum"), allow_nan=False)) == [{"ts": 0, "val": None}]
    assert summed_up(rows, "max") == [{"ts": 0, "val": 1e308}]


def test_tg_8_more_different_keys_than_memory_is_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregates, "MAX_VALUES", 3)
    rows = [ResourceRow(n * MINUTE_MS, {f"key {n}": 1}) for n in range(4)]

    assert len(summed_up(rows[:3], "sum")) == 3
    with pytest.raises(ThingerError) as caught:
        summed_up(rows, "sum")
    assert caught.value.status == 400


# -- queries ---------------------------------------------------------------------------------------


def test_tg_8_without_a_query_the_ten_newest_rows_are_asked_for() -> None:
    query = BucketQuery.of({}, 1000).rows_of(7)

    assert (query.resource_id, query.limit, query.oldest_first) == (7, 10, False)
    assert (query.from_ms, query.until_ms) == (None, None)


def test_tg_8_each_parameter_is_read() -> None:
    query = BucketQuery.of(
        {"items": "5", "min_ts": "1", "max_ts": "2", "sort": "asc", "agg": "15m", "agg_type": "max"}, 1000
    )

    assert query == BucketQuery(
        items=5, from_ms=1, until_ms=2, oldest_first=True, step_ms=15 * MINUTE_MS, aggregate="max"
    )
    assert BucketQuery.of({"items": "5000"}, 1000).items == 1000


@pytest.mark.parametrize(
    ("agg", "step_ms"),
    [("", 0), ("1s", 1000), ("1m", 60_000), ("1h", 3_600_000), ("1d", 86_400_000), ("2w", 1_209_600_000)],
)
def test_tg_8_steps_have_a_number_and_a_unit(agg: str, step_ms: int) -> None:
    assert BucketQuery.of({"agg": agg}, 1000).step_ms == step_ms


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("items", text) for text in ("-1", "1.5", "", "x", "9" * 17, "٣", " 1")),
        *((name, text) for name in ("min_ts", "max_ts") for text in ("-1", "now", "9007199254740993")),
        *(("sort", text) for text in ("", "ASC", "down")),
        *(("agg", text) for text in ("0m", "m", "1", "1x", "1M", "-1m", "1m ", "1234567m")),
        *(("agg_type", text) for text in ("", "median", "MEAN", "__class__")),
    ],
)
def test_tg_8_a_parameter_that_is_none_is_refused(name: str, value: str) -> None:
    with pytest.raises(ThingerError) as caught:
        BucketQuery.of({name: value}, 1000)
    assert (caught.value.status, caught.value.message) == (400, f"invalid parameter: {name}")


# -- exports ---------------------------------------------------------------------------------------


async def written(export: Callable[[Any], Any], *rows: ResourceRow) -> tuple[str, int]:
    """Return an export, and in how many chunks it came."""

    async def given() -> Any:
        for row in rows:
            yield row

    chunks = [chunk async for chunk in export(given())]
    return "".join(chunks), len(chunks)


async def test_tg_8_a_json_export_is_what_was_collected() -> None:
    rows = [ResourceRow(n, {"t": n, "text": 'a"\n'}) for n in range(5000)]

    text, chunks = await written(as_json, *rows)

    assert json.loads(text) == [{"ts": row.at_ms, "val": row.value} for row in rows]
    assert 1 < chunks < 50
    assert await written(as_json) == ("[]", 1)


async def test_tg_8_a_csv_export_has_a_line_for_each_member() -> None:
    text, _ = await written(as_csv, ResourceRow(1, {"t": -1.5, "n": 'a,"b"'}), ResourceRow(2, [1, 2]))

    assert text == 'ts,key,value\r\n1,t,-1.5\r\n1,n,"a,""b"""\r\n2,,"[1,2]"\r\n'


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
async def test_ht_8_no_text_of_a_device_is_a_formula_in_a_csv_export(text: str) -> None:
    export, _ = await written(as_csv, ResourceRow(1, {text: text}), ResourceRow(2, text))

    lines = export.replace('"', "").split("\n", 1)[1]
    assert lines.count(f"'{text}") == 3
