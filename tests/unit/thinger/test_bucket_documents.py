"""Bodies that make and change buckets and dashboards (contract 8, 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.bucket_documents import is_topic_filter, read_bucket
from firstboot_plugins.dialects.thinger.dashboards import read_dashboard
from firstboot_plugins.dialects.thinger.errors import ThingerError

SMALLEST: dict[str, Any] = {"name": "Meter 1", "enabled": True, "config": {"source": "api"}}


def read(body: Any, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    fields = BodyFields(body)
    document = read_bucket(fields, before)
    fields.end()
    return document


def refusal(body: Any) -> str:
    with pytest.raises(ThingerError) as caught:
        read(body)
    assert caught.value.status == 400
    return caught.value.message


def test_tg_8_the_contracts_own_body_is_kept_as_it_is() -> None:
    body = {
        "name": "Meter 1",
        "description": "",
        "enabled": True,
        "config": {"source": "mqtt", "topic": "meters/meter1/+", "tags": ["site"]},
        "retention": {"period": 90, "unit": "days"},
    }

    assert read(body) == body


GOOD_CONFIGS: list[dict[str, Any]] = [
    {"source": "device", "device": "m", "resource": "t", "update": "interval", "interval": 60},
    {"source": "device", "device": "m", "resource": "t", "update": "events", "user": "bob", "tags": []},
    {"source": "device", "device": "m", "resource": "t", "update": "none"},
    {"source": "mqtt", "topic": "#"},
    {"source": "mqtt", "topic": "x" * 512},
    {"source": "mqtt", "topic": "a//+/b/#", "tags": ["a", "b", "c", "d", "e"]},
    {"source": "write"},
    {"source": "api", "tags": ["x" * 255]},
]


@pytest.mark.parametrize("config", GOOD_CONFIGS, ids=str)
def test_tg_8_each_source_has_members_of_its_own(config: dict[str, Any]) -> None:
    assert read({**SMALLEST, "config": config})["config"] == config


BAD_CONFIGS: list[tuple[Any, str]] = [
    ({}, "invalid field: config.source"),
    ([], "the body is not a JSON object"),
    ({"source": "http"}, "invalid field: config.source"),
    ({"source": ["api"]}, "invalid field: config.source"),
    ({"source": "api", "topic": "a"}, "unknown field: topic"),
    ({"source": "mqtt"}, "invalid field: config.topic"),
    ({"source": "mqtt", "topic": ""}, "invalid field: topic"),
    ({"source": "mqtt", "topic": "x" * 513}, "invalid field: topic"),
    ({"source": "mqtt", "topic": 1}, "invalid field: topic"),
    ({"source": "mqtt", "topic": "a/#/b"}, "invalid field: config.topic"),
    ({"source": "mqtt", "topic": "a/b+"}, "invalid field: config.topic"),
    ({"source": "mqtt", "topic": "$SYS/a"}, "invalid field: config.topic"),
    ({"source": "device", "device": "m", "resource": "t"}, "invalid field: config"),
    ({"source": "device", "device": "m", "update": "events"}, "invalid field: config"),
    ({"source": "device", "device": "", "resource": "t", "update": "none"}, "invalid field: device"),
    ({"source": "device", "device": "m", "resource": "t", "update": "interval"}, "invalid field: config.interval"),
    (
        {"source": "device", "device": "m", "resource": "t", "update": "interval", "interval": 0},
        "invalid field: config.interval",
    ),
    (
        {"source": "device", "device": "m", "resource": "t", "update": "interval", "interval": True},
        "invalid field: config.interval",
    ),
    (
        {"source": "device", "device": "m", "resource": "t", "update": "events", "interval": 60},
        "unknown field: interval",
    ),
    ({"source": "api", "tags": "site"}, "invalid field: config.tags"),
    ({"source": "api", "tags": ["a"] * 6}, "invalid field: config.tags"),
    ({"source": "api", "tags": [""]}, "invalid field: config.tags"),
    ({"source": "api", "tags": [1]}, "invalid field: config.tags"),
]


@pytest.mark.parametrize(("config", "message"), BAD_CONFIGS, ids=str)
def test_tg_8_a_source_that_breaks_a_rule_is_refused(config: Any, message: str) -> None:
    assert refusal({**SMALLEST, "config": config}) == message


@pytest.mark.parametrize("unit", ["hours", "days", "weeks", "months", "years"])
@pytest.mark.parametrize("period", [0, 0.5, 100_000])
def test_tg_8_retention_has_a_period_and_a_unit(unit: str, period: float) -> None:
    retention = {"period": period, "unit": unit}
    assert read({**SMALLEST, "retention": retention})["retention"] == retention


@pytest.mark.parametrize(
    "retention",
    [
        {"period": -1, "unit": "days"},
        {"period": 100_001, "unit": "days"},
        {"period": True, "unit": "days"},
        {"period": "1", "unit": "days"},
        {"unit": "days"},
        {"period": 1},
        {"period": 1, "unit": "minutes"},
        {"period": 1, "unit": ["days"]},
    ],
)
def test_tg_8_a_retention_that_is_none_is_refused(retention: Any) -> None:
    assert refusal({**SMALLEST, "retention": retention}) == "invalid field: retention"


@pytest.mark.parametrize("field", ["name", "enabled", "config"])
def test_tg_8_name_enabled_and_config_are_needed(field: str) -> None:
    assert refusal({name: value for name, value in SMALLEST.items() if name != field}) == f"missing field: {field}"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"backend": "oracle"}, "invalid field: backend"),
        ({"enabled": "true"}, "invalid field: enabled"),
        ({"name": "x" * 256}, "invalid field: name"),
        ({"asset_type": "a b"}, "invalid asset_type id"),
        ({"colour": "red"}, "unknown field: colour"),
    ],
)
def test_tg_8_other_members_that_break_a_rule_are_refused(more: dict[str, Any], message: str) -> None:
    assert refusal({**SMALLEST, **more}) == message


@pytest.mark.parametrize("backend", ["", "mongodb", "influxdb", "dynamodb"])
def test_tg_8_backends_are_kept_though_there_is_one(backend: str) -> None:
    assert read({**SMALLEST, "backend": backend})["backend"] == backend


def test_tg_8_an_update_changes_what_it_names_and_leaves_the_rest() -> None:
    before = read({**SMALLEST, "asset_type": "meter", "retention": {"period": 1, "unit": "days"}})

    after = read({"enabled": False, "asset_type": "", "config": {"source": "write"}}, before)

    assert after == {**before, "enabled": False, "asset_type": "", "config": {"source": "write"}}


@pytest.mark.parametrize("topic", ["#", "+", "+/+", "a/#", "/", "a/", "/a", "ä/ö"])
def test_mqtt_4_7_what_is_a_topic_filter(topic: str) -> None:
    assert is_topic_filter(topic)


@pytest.mark.parametrize("topic", ["a#", "#/a", "a+/b", "+a", "##", "$share/g/a", "a\0"])
def test_mqtt_4_7_what_is_none(topic: str) -> None:
    assert not is_topic_filter(topic)


# -- dashboards ------------------------------------------------------------------------------------


def board(body: Any, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    fields = BodyFields(body)
    document = read_dashboard(fields, before)
    fields.end()
    return document


def test_tg_9_a_dashboard_is_kept_verbatim() -> None:
    body = {
        "name": "Meter 1",
        "description": "",
        "tabs": [{"name": "Main", "widgets": []}],
        "widgets": [{"type": "chart", "any": {"thing": [None, 1.5]}}],
        "controls": {"timeframe": None},
        "functions": [],
        "placeholders": {"a": 1},
        "properties": {},
    }

    assert board(body) == body
    assert board({"widgets": []}, body) == {**body, "widgets": []}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"widgets": []}, "missing field: name"),
        ({"name": "a"}, "missing field: widgets"),
        ({"name": "a", "widgets": {}}, "invalid field: widgets"),
        ({"name": "a", "widgets": [], "tabs": {}}, "invalid field: tabs"),
        ({"name": 1, "widgets": []}, "invalid field: name"),
        ({"name": "a", "widgets": [], "colour": "red"}, "unknown field: colour"),
    ],
)
def test_tg_9_a_dashboard_that_breaks_a_rule_is_refused(body: Any, message: str) -> None:
    with pytest.raises(ThingerError) as caught:
        board(body)
    assert (caught.value.status, caught.value.message) == (400, message)
