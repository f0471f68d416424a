"""What devices reported, over ThingsBoard's REST."""

from __future__ import annotations

from typing import Any

from tests.integration.admin.thingsboard.rest import Rest

from firstboot.model import Origin, TelemetryPoint

ORIGIN = Origin(transport="test", dialect="test", address="")


async def reporting(admin: Rest, *points: TelemetryPoint) -> str:
    """Make a device that has reported this; return where its data is."""
    made = await admin.call("POST", "/api/device", {"name": "d1"})
    device = await admin.server.device("d1")
    assert device is not None
    await admin.server.services.telemetry.save(device.ref, points, ORIGIN)
    return f"/api/plugins/telemetry/DEVICE/{made['id']['id']}"


async def test_the_newest_value_is_a_text_unless_strict_types_are_asked_for(admin: Rest) -> None:
    values: dict[str, Any] = {"a": 21.5, "b": 5, "c": True, "d": "on", "e": {"x": [1]}}
    where = await reporting(admin, TelemetryPoint(1000, {"a": "old"}), TelemetryPoint(2000, values))

    plain = await admin.call("GET", f"{where}/values/timeseries?keys=a,b,c,d,e")
    strict = await admin.call("GET", f"{where}/values/timeseries?keys=a,b,c,d,e&useStrictDataTypes=true")

    texts = {"a": "21.5", "b": "5", "c": "true", "d": "on", "e": '{"x":[1]}'}
    assert plain == {key: [{"ts": 2000, "value": text}] for key, text in texts.items()}
    assert strict == {key: [{"ts": 2000, "value": value}] for key, value in values.items()}


async def test_without_keys_all_are_told_and_a_missing_one_is_null(admin: Rest) -> None:
    where = await reporting(admin, TelemetryPoint(1000, {"b": 1, "a": 2}))

    found = await admin.call("GET", f"{where}/values/timeseries?keys=a,missing")

    assert (await admin.call("GET", f"{where}/values/timeseries?key=a&key=b")).keys() == {"a", "b"}
    assert await admin.call("GET", f"{where}/keys/timeseries") == ["a", "b"]
    assert (await admin.call("GET", f"{where}/values/timeseries")).keys() == {"a", "b"}
    assert found["a"] == [{"ts": 1000, "value": "2"}]
    assert [each["value"] for each in found["missing"]] == [None]


async def test_values_outside_of_the_wanted_time_are_left_out(admin: Rest) -> None:
    where = await reporting(admin, TelemetryPoint(1000, {"old": 1}), TelemetryPoint(2000, {"new": 2}))

    found = await admin.call("GET", f"{where}/values/timeseries?keys=old,new&startTs=1500&endTs=2500")

    assert found == {"new": [{"ts": 2000, "value": "2"}]}
