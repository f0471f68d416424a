"""What is planned beside a device (contract 12.5)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.model import ResourceDraft
from firstboot_plugins.dialects.thinger.companions import Companions, companion_id
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.placeholders import filled, filled_id

LONG = "a-very-long-device-id-0123456789"
IDS = st.text("abcXYZ019_-", min_size=1, max_size=32)


def plan(
    device: str = "meter1", *, type_: str = "MQTT", name: str = "Meter 1", **wanted: Any
) -> list[ResourceDraft]:
    planned: list[ResourceDraft] = Companions.plan(
        object.__new__(Companions), "alice", {"device": device, "type": type_, "name": name, **wanted}
    )
    return planned


def refusal(**wanted: Any) -> str:
    with pytest.raises(ThingerError) as caught:
        plan(**wanted)
    assert caught.value.status == 400
    return caught.value.message


def test_tg_12_5_a_name_alone_makes_a_bucket_that_listens_to_the_device() -> None:
    (draft,) = plan(buckets=["telemetry"])

    assert (draft.kind, draft.name) == ("thinger-bucket", "meter1_telemetry")
    assert draft.document["enabled"] is True
    assert draft.document["config"] == {"source": "mqtt", "topic": "meter1/telemetry"}


def test_tg_12_5_the_bucket_of_a_generic_device_is_written_to() -> None:
    (draft,) = plan(type_="Generic", buckets=["telemetry"])

    assert draft.document["config"] == {"source": "write"}


def test_tg_12_5_a_long_id_loses_the_end_of_the_devices_to_a_hash() -> None:
    assert len(LONG) == 32
    digest = hashlib.sha256(LONG.encode()).hexdigest()[:4]

    (draft,) = plan(LONG, buckets=["telemetry"])

    assert draft.name == f"a-very-long-devic_{digest}_telemetry"
    assert len(draft.name) == 32
    assert draft.document["config"]["topic"] == f"{LONG}/telemetry"


@given(IDS, IDS.filter(lambda name: len(name) <= 26))
def test_tg_12_5_every_name_that_fits_makes_an_id_of_32_characters_at_most(device: str, name: str) -> None:
    id_ = companion_id(device, name)

    assert len(id_) == min(32, len(device) + 1 + len(name))
    assert id_.endswith(f"_{name}")


def test_tg_12_5_a_name_that_leaves_no_room_is_refused() -> None:
    assert len(companion_id(LONG, "x" * 26)) == 32
    with pytest.raises(ThingerError):
        companion_id(LONG, "x" * 27)


OBJECT: dict[str, Any] = {
    "bucket": "{device}_all",
    "name": "{name} of {user}",
    "description": "{device} {name} {user} {other} {{device}}",
    "enabled": True,
    "config": {"source": "mqtt", "topic": "{user}/{device}/+", "tags": ["{device}"]},
}


def test_tg_12_5_placeholders_are_replaced_where_they_are_said_to_be() -> None:
    (draft,) = plan(buckets=[OBJECT])

    assert draft.name == "meter1_all"
    assert draft.document["name"] == "Meter 1 of alice"
    assert draft.document["description"] == "meter1 Meter 1 alice {other} {{device}}"
    assert draft.document["config"] == {"source": "mqtt", "topic": "alice/meter1/+", "tags": ["{device}"]}


def test_tg_12_5_the_device_that_a_bucket_reads_is_replaced() -> None:
    config = {"source": "device", "device": "{device}", "resource": "t", "update": "events"}
    (draft,) = plan(buckets=[{**OBJECT, "config": config}])

    assert draft.document["config"]["device"] == "meter1"


def test_tg_12_5_the_id_of_an_object_is_cut_as_well() -> None:
    (draft,) = plan(LONG, buckets=[OBJECT])

    assert len(draft.name) == 32
    assert draft.name.endswith("_all")
    assert draft.name != plan(LONG[:-1] + "x", buckets=[OBJECT])[0].name


@given(st.text(max_size=40), st.text(max_size=40))
def test_tg_12_5_what_replaces_a_placeholder_is_not_looked_at_again(device: str, name: str) -> None:
    texts = {"device": device, "user": "{name}", "name": name}

    assert filled("[{device}]", texts) == f"[{device}]"
    assert filled("[{user}]", texts) == "[{name}]"
    assert filled({"{device}": ["{name}", 1, None]}, texts) == {"{device}": [name, 1, None]}


@pytest.mark.parametrize("name", ["#", "+", "a/#", 'a+"b'])
def test_tg_12_5_a_devices_name_makes_no_topic_wider(name: str) -> None:
    wanted = {**OBJECT, "config": {"source": "mqtt", "topic": "of/{name}"}}

    assert refusal(name=name, buckets=[wanted]) == "invalid field: config.topic"
    (draft,) = plan(name="a/b", buckets=[wanted])
    assert draft.document["config"]["topic"] == "of/a/b"


@pytest.mark.parametrize("name", ['x","enabled":false,"y":"', "\\", "\u2028", "{device}"])
def test_tg_12_5_a_devices_name_stays_within_its_text(name: str) -> None:
    board = {"dashboard": "{device}", "name": "{name}", "widgets": [{"title": "{name}"}]}

    bucket, dashboard = plan(name=name, buckets=[OBJECT], dashboards=[board])

    assert bucket.document["name"] == f"{name} of alice"
    assert set(bucket.document) == {"name", "description", "enabled", "config"}
    assert (dashboard.kind, dashboard.name) == ("thinger-dashboard", "meter1")
    assert dashboard.document == {"name": name, "widgets": [{"title": name}]}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"buckets": "telemetry"}, "invalid field: buckets"),
        ({"buckets": {}}, "invalid field: buckets"),
        ({"buckets": [1]}, "invalid field: buckets"),
        ({"buckets": ["a b"]}, "invalid bucket id"),
        ({"buckets": [""]}, "invalid bucket id"),
        ({"buckets": ["x"] * 21}, "invalid field: buckets"),
        ({"buckets": [{}]}, "invalid bucket id"),
        ({"buckets": [{"bucket": 1}]}, "invalid bucket id"),
        ({"buckets": [{"bucket": "{name}"}]}, "invalid bucket id"),
        ({"buckets": [{"bucket": "a"}]}, "missing field: name"),
        ({"buckets": [{**OBJECT, "colour": "red"}]}, "unknown field: colour"),
        ({"buckets": [{**OBJECT, "name": 1}]}, "invalid field: name"),
        ({"buckets": [{**OBJECT, "config": {"source": "mqtt", "topic": 1}}]}, "invalid field: topic"),
        ({"buckets": [{**OBJECT, "config": "mqtt"}]}, "the body is not a JSON object"),
        ({"dashboards": ["main"]}, "invalid field: dashboards"),
        ({"dashboards": [{"dashboard": "a", "name": "a"}]}, "missing field: widgets"),
        ({"dashboards": [{"name": "a", "widgets": []}]}, "invalid dashboard id"),
    ],
    ids=str,
)
def test_tg_12_5_what_breaks_a_rule_is_refused(wanted: dict[str, Any], message: str) -> None:
    assert refusal(**wanted) == message


def test_tg_12_5_an_id_without_the_device_in_it_is_not_cut() -> None:
    texts = {"device": "d", "user": "u" * 40, "name": "n"}

    assert filled_id("{user}", texts) == "u" * 40
    assert filled_id(None, texts) is None
    assert len(filled_id("{device}-{device}-end", {**texts, "device": LONG})) <= 32
