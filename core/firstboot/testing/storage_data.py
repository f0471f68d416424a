"""Storage suite: attributes and telemetry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from firstboot.model import PROVISION_STATE, Attribute, LatestValue, Scope, StoredAttribute, TelemetryPoint
from firstboot.storage import (
    AttributeChange,
    ChangeKind,
    DeleteAttributes,
    DeleteDevice,
    Outcome,
    SaveAttributes,
    SaveTelemetry,
    When,
)
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World, attributes, hand_out
from firstboot.testing.storage_devices import JSON_VALUES


def save(device_id: int, scope: Scope, values: Mapping[str, Any], **fields: Any) -> SaveAttributes:
    """Return the write that sets attributes."""
    return SaveAttributes(device_id=device_id, scope=scope, values=values, **{"at_ms": NOW_MS} | fields)


def delete(device_id: int, scope: Scope, *keys: str, **fields: Any) -> DeleteAttributes:
    """Return the write that deletes attributes."""
    return DeleteAttributes(device_id=device_id, scope=scope, keys=keys, **{"at_ms": NOW_MS} | fields)


def measured(device_id: int, *points: tuple[int, Mapping[str, Any]]) -> SaveTelemetry:
    """Return the write that keeps values, with moments after NOW_MS."""
    return SaveTelemetry(
        device_id=device_id, points=tuple(TelemetryPoint(NOW_MS + after, values) for after, values in points)
    )


class DataTests(StorageSuite):
    """What devices report, and what is set for them."""

    # -- attributes --------------------------------------------------------------------------------

    async def test_attributes_of_every_json_type_are_set_and_replaced(self, world: World) -> None:
        device = await world.make_device()
        values = {f"key {number}": value for number, value in enumerate(JSON_VALUES)}

        await world.do(save(device.id, Scope.CLIENT, dict.fromkeys(values, "old")))
        await world.do(save(device.id, Scope.CLIENT, values, at_ms=NOW_MS + 1))

        read = await world.storage.device_attributes(device.id)
        assert read == [StoredAttribute(Scope.CLIENT, key, values[key], NOW_MS + 1) for key in sorted(values)]

    async def test_attributes_are_read_by_scope_and_key_and_in_their_order(self, world: World) -> None:
        device, other = await world.make_device(), await world.make_device("other")
        for scope in reversed(Scope):
            await world.do(save(device.id, scope, {"b": scope.name, "a": 1, "ä_%": 2}))
        await world.do(save(other.id, Scope.SHARED, {"a": "other"}))

        async def read(*asked: Any) -> list[tuple[int, str]]:
            return [(each.scope, each.key) for each in await world.storage.device_attributes(device.id, *asked)]

        assert await read() == [(scope, key) for scope in (1, 2, 3) for key in ("a", "b", "ä_%")]
        assert await read(Scope.SHARED) == [(2, "a"), (2, "b"), (2, "ä_%")]
        assert await read(None, ["ä_%", "a", "nothing", "a"]) == [(s, k) for s in (1, 2, 3) for k in ("a", "ä_%")]
        assert await read(Scope.CLIENT, {"b", "%", "A", "\0", "\ud800"}) == [(3, "b")]
        assert await read(Scope.CLIENT, []) == []

    async def test_attributes_that_are_made_with_a_device_have_its_moment(self, world: World) -> None:
        device = await world.make_device(attributes=(Attribute(Scope.SERVER, "a", 1),), created_at_ms=NOW_MS + 3)

        (read,) = await world.storage.device_attributes(device.id)

        assert read.updated_at_ms == NOW_MS + 3

    async def test_attributes_of_many_devices_are_set_in_a_batch(self, world: World) -> None:
        devices = [await world.make_device(f"meter-{number}") for number in range(3)]
        gone = await world.make_device("gone")
        await world.do(DeleteDevice(device_id=gone.id, audit=an_audit_entry()))

        outcomes = await world.do(
            save(devices[0].id, Scope.CLIENT, {"a": 1, "b": 1}),
            save(devices[1].id, Scope.CLIENT, {"a": 1}),
            save(gone.id, Scope.CLIENT, {"a": 1}),
            save(devices[0].id, Scope.CLIENT, {"a": 2}, at_ms=NOW_MS - 5),
            save(devices[2].id, Scope.SERVER, {}),
        )

        assert outcomes == [Outcome.DONE, Outcome.DONE, Outcome.DEVICE_GONE, Outcome.DONE, Outcome.DONE]
        read = [await attributes(world.storage, device.id) for device in devices]
        client = Scope.CLIENT
        assert read == [{(client, "a"): "2", (client, "b"): "1"}, {(client, "a"): "1"}, {}]

    async def test_saves_and_deletes_in_a_batch_happen_in_order(self, world: World) -> None:
        device = await world.make_device()

        await world.do(
            save(device.id, Scope.SHARED, {"a": 1, "b": 1}),
            delete(device.id, Scope.SHARED, "a"),
            save(device.id, Scope.SHARED, {"c": 1}),
            delete(device.id, Scope.SHARED, "c", "d", "c"),
            save(device.id, Scope.SHARED, {"a": 2}),
        )

        shared = Scope.SHARED
        assert await attributes(world.storage, device.id) == {(shared, "a"): "2", (shared, "b"): "1"}

    async def test_attributes_are_deleted_in_their_scope_only(self, world: World) -> None:
        device, other = await world.make_device(), await world.make_device("other")
        for each in (device, other):
            for scope in Scope:
                await world.do(save(each.id, scope, {"a": 1, "b": 1}))

        assert await world.do(delete(device.id, Scope.CLIENT, "a", "nothing")) == [Outcome.DONE]

        left = set(await attributes(world.storage, device.id))
        assert left == {(scope, key) for scope in Scope for key in "ab"} - {(Scope.CLIENT, "a")}
        assert len(await attributes(world.storage, other.id)) == 6

    async def test_others_are_told_which_shared_attributes_changed(self, world: World) -> None:
        device = await world.make_device()
        before = await world.storage.last_change()

        await world.do(
            save(device.id, Scope.SHARED, {"b": 1, "ä \N{GRINNING FACE}": [2]}),
            save(device.id, Scope.SHARED, {}),
            save(device.id, Scope.CLIENT, {"b": 1}),
            save(device.id, Scope.SERVER, {"b": 1}),
            save(987_654, Scope.SHARED, {"b": 1}),
            save(device.id, Scope.SHARED, {"b": 1}),
            delete(device.id, Scope.SHARED, "x", "b", "b"),
            delete(device.id, Scope.SHARED, "x"),
            delete(device.id, Scope.SERVER, "b"),
        )

        told = await world.storage.changes_since(before)
        assert {(each.kind, each.ref) for each in told} == {(ChangeKind.ATTRIBUTES, device.id)}
        assert [AttributeChange.from_json(each.detail or "") for each in told] == [
            AttributeChange(updated=("b", "ä \N{GRINNING FACE}")),
            AttributeChange(updated=("b",)),
            AttributeChange(deleted=("b",)),
        ]

    async def test_other_changes_have_no_detail(self, world: World) -> None:
        device = await world.make_device()
        before = await world.storage.last_change()

        await world.do(DeleteDevice(device_id=device.id, audit=an_audit_entry()))

        assert [each.detail for each in await world.storage.changes_since(before)] == [None]

    async def test_attributes_are_audited_only_when_wanted(self, world: World) -> None:
        device = await world.make_device()
        before = len(await world.audit())

        await world.do(
            save(device.id, Scope.CLIENT, {"a": 1}),
            save(device.id, Scope.SHARED, {"a": 1}, audit=an_audit_entry("saved")),
            save(987_654, Scope.SHARED, {"a": 1}, audit=an_audit_entry("not there")),
            delete(device.id, Scope.CLIENT, "a"),
            delete(device.id, Scope.SHARED, "a", audit=an_audit_entry("deleted")),
            delete(987_654, Scope.SHARED, "a", audit=an_audit_entry("not there")),
        )

        assert [row.entry.event for row in (await world.audit())[before:]] == ["saved", "deleted"]

    async def test_setting_the_provision_state_sets_it_as_any_other(self, world: World) -> None:
        device = await world.make_device()

        await world.do(save(device.id, Scope.SERVER, {PROVISION_STATE: "elsewhere"}))

        assert await world.read("meter-7") == replace(device, provision_state="elsewhere")
        assert await world.do(hand_out(device.id)) == [Outcome.STALE]

    async def test_deleting_the_provision_state_reopens_the_device(self, world: World) -> None:
        device = await world.make_device()
        await world.do(hand_out(device.id))
        handed_out = await world.read("meter-7")

        await world.do(
            delete(device.id, Scope.CLIENT, PROVISION_STATE), delete(device.id, Scope.SHARED, PROVISION_STATE)
        )
        assert await world.read("meter-7") == handed_out
        await world.do(delete(device.id, Scope.SERVER, "a", PROVISION_STATE, at_ms=NOW_MS + 5))

        assert await world.read("meter-7") == replace(handed_out, provision_state=None, reopened_at_ms=NOW_MS + 5)
        assert await world.do(hand_out(device.id, When.REOPENED)) == [Outcome.DONE]

    # -- telemetry ---------------------------------------------------------------------------------

    async def test_the_newest_value_of_each_key_is_kept(self, world: World) -> None:
        device = await world.make_device()

        await world.do(measured(device.id, (2, {"a": 1, "b": 1}), (3, {"a": 2}), (1, {"a": 3, "c": 3})))
        await world.do(measured(device.id, (2, {"a": "older"}), (2, {"b": "same moment"}), (9, {"c": [None]})))

        assert await world.storage.latest_telemetry(device.id) == [
            LatestValue("a", NOW_MS + 3, 2),
            LatestValue("b", NOW_MS + 2, "same moment"),
            LatestValue("c", NOW_MS + 9, [None]),
        ]

    @pytest.mark.parametrize("batches", [1, 3])
    async def test_of_values_of_one_moment_the_last_one_is_kept(self, world: World, batches: int) -> None:
        device = await world.make_device()
        writes = [measured(device.id, (1, {"a": number})) for number in range(3)]

        for start in range(0, 3, 3 // batches):
            await world.do(*writes[start : start + 3 // batches])

        assert await world.storage.latest_telemetry(device.id) == [LatestValue("a", NOW_MS + 1, 2)]

    async def test_telemetry_of_every_json_type_comes_back_equal(self, world: World) -> None:
        device = await world.make_device()
        values = {f"key {number}": value for number, value in enumerate(JSON_VALUES)}

        await world.do(measured(device.id, (0, values)))

        assert await world.storage.latest_telemetry(device.id) == [
            LatestValue(key, NOW_MS, values[key]) for key in sorted(values)
        ]

    async def test_telemetry_of_many_devices_is_kept_in_a_batch(self, world: World) -> None:
        devices = [await world.make_device(f"meter-{number}") for number in range(300)]

        outcomes = await world.do(
            *(measured(device.id, (0, {"a": device.name, "b": 1})) for device in devices),
            measured(987_654, (0, {"a": 1})),
            measured(devices[0].id),
        )

        assert outcomes == [*[Outcome.DONE] * 300, Outcome.DEVICE_GONE, Outcome.DONE]
        for device in (devices[0], devices[150], devices[299]):
            assert [each.value for each in await world.storage.latest_telemetry(device.id)] == [device.name, 1]

    async def test_telemetry_is_read_by_key(self, world: World) -> None:
        device = await world.make_device()
        await world.do(measured(device.id, (0, {"b": 1, "a": 1, "ä%": 1})))

        read = await world.storage.latest_telemetry(device.id, ["ä%", "b", "B", "%", "\0", "b"])

        assert [each.key for each in read] == ["b", "ä%"]
        assert list(await world.storage.latest_telemetry(device.id, [])) == []
        assert list(await world.storage.latest_telemetry(987_654)) == []

    async def test_telemetry_goes_with_its_device(self, world: World) -> None:
        device, other = await world.make_device(), await world.make_device("other")
        await world.do(*(measured(each.id, (0, {"a": 1})) for each in (device, other)))

        await world.do(DeleteDevice(device_id=device.id, audit=an_audit_entry()))

        assert list(await world.storage.latest_telemetry(device.id)) == []
        assert len(await world.storage.latest_telemetry(other.id)) == 1

    async def test_telemetry_is_not_audited_and_told_to_nobody(self, world: World) -> None:
        device = await world.make_device()
        before = len(await world.audit())

        assert await world.told(measured(device.id, (0, {"a": 1}))) == []

        assert len(await world.audit()) == before
