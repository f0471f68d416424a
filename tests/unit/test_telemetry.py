"""The newest value of each key is kept, and every report is told to whoever watches."""

from __future__ import annotations

import pytest
from tests.unit.memory_services import MemoryServices

from firstboot.errors import InvalidValue, NotFound
from firstboot.key_limit import MAX_BYTES, MAX_KEYS
from firstboot.model import LatestValue, Origin, TelemetryPoint
from firstboot.telemetry import MAX_AT_MS

ORIGIN = Origin(transport="mqtt", dialect="thingsboard", address="192.0.2.1")


@pytest.fixture
async def services() -> MemoryServices:
    return MemoryServices()


async def test_the_newest_value_is_kept_whatever_the_order_of_the_reports(services: MemoryServices) -> None:
    device = (await services.device()).ref
    newer, older = TelemetryPoint(20, {"t": 2, "on": True}), TelemetryPoint(10, {"t": 1, "text": "x"})

    await services.telemetry.save(device, [newer, older], ORIGIN)
    await services.telemetry.save(device, [older], ORIGIN)

    assert list(await services.telemetry.latest(device.id)) == [
        LatestValue("on", 20, True), LatestValue("t", 20, 2), LatestValue("text", 10, "x"),
    ]  # fmt: skip
    assert list(await services.telemetry.latest(device.id, ["t", "u"])) == [LatestValue("t", 20, 2)]


async def test_a_report_is_told_as_a_whole(services: MemoryServices) -> None:
    device = (await services.device()).ref
    watching = services.live_events.subscribe(1)

    points = [TelemetryPoint(20, {"t": 2}), TelemetryPoint(10, {}), TelemetryPoint(10, {"t": 1})]
    await services.telemetry.save(device, points, ORIGIN)

    event = await anext(watching)
    assert event.data["points"] == [{"ts": 20, "values": {"t": 2}}, {"ts": 10, "values": {"t": 1}}]


@pytest.mark.parametrize(
    "point",
    [TelemetryPoint(-1, {"t": 1}), TelemetryPoint(MAX_AT_MS + 1, {"t": 1}), TelemetryPoint(1, {"": 1}),
     TelemetryPoint(1, {"t": None}), TelemetryPoint(1, {"t": float("inf")})],
)  # fmt: skip
async def test_ht_2_a_report_that_breaks_a_rule_is_refused_as_a_whole(
    services: MemoryServices, point: TelemetryPoint
) -> None:
    device = (await services.device()).ref

    with pytest.raises(InvalidValue):
        await services.telemetry.save(device, [TelemetryPoint(1, {"good": 1}), point], ORIGIN)
    assert await services.telemetry.latest(device.id) == []


async def test_mq_17_a_device_has_a_bounded_number_of_keys(services: MemoryServices) -> None:
    device = (await services.device()).ref
    many = {f"key-{number}": number for number in range(MAX_KEYS)}
    await services.telemetry.save(device, [TelemetryPoint(1, many)], ORIGIN)

    with pytest.raises(InvalidValue):
        await services.telemetry.save(device, [TelemetryPoint(2, {"key-0": 1, "one more": 1})], ORIGIN)
    await services.telemetry.save(device, [TelemetryPoint(2, {"key-0": 1})], ORIGIN)


async def test_mq_17_a_device_has_a_bounded_number_of_bytes(services: MemoryServices) -> None:
    device = (await services.device()).ref
    large = {"text": "x" * 60_000}
    points = [TelemetryPoint(1, {f"key-{number}": large}) for number in range(MAX_BYTES // 60_000)]
    await services.telemetry.save(device, points, ORIGIN)

    with pytest.raises(InvalidValue, match=str(MAX_BYTES)):
        await services.telemetry.save(device, [TelemetryPoint(2, {"one more": large})], ORIGIN)
    await services.telemetry.save(device, [TelemetryPoint(2, {"one more": 1, "key-0": large})], ORIGIN)


async def test_a_device_that_is_gone_reports_nothing(services: MemoryServices) -> None:
    device = await services.device()
    await services.devices.delete(device, actor="test")

    with pytest.raises(NotFound):
        await services.telemetry.save(device.ref, [TelemetryPoint(1, {"t": 1})], ORIGIN)
    await services.telemetry.save(device.ref, [], ORIGIN)  # nothing to report is no error
