"""Attributes are stored within limits, audited when an operator sets them, and told to whoever watches."""

from __future__ import annotations

import pytest
from tests.unit.memory_services import MemoryServices

from firstboot.errors import InvalidValue, NotFound, Unavailable
from firstboot.key_limit import MAX_BYTES, MAX_KEYS
from firstboot.model import PROVISION_STATE, Origin, Scope, StoredAttribute
from firstboot.storage import AttributeChange, ChangeKind

ORIGIN = Origin(transport="http", dialect="thingsboard", address="192.0.2.1")
SECRET = "a value that may be a secret"


@pytest.fixture
async def services() -> MemoryServices:
    return MemoryServices()


async def test_attributes_are_kept_by_scope_with_the_moment_of_their_change(services: MemoryServices) -> None:
    device = (await services.device()).ref
    await services.attributes.save(device, Scope.CLIENT, {"a": 1}, actor="device")
    first_ms = services.now_ms
    services.now_ms += 5
    await services.attributes.save(device, Scope.SHARED, {"a": [1, {"b": None}], "c": "x"}, actor="user:x")

    assert list(await services.attributes.read(device.id)) == [
        StoredAttribute(Scope.SHARED, "a", [1, {"b": None}], first_ms + 5),
        StoredAttribute(Scope.SHARED, "c", "x", first_ms + 5),
        StoredAttribute(Scope.CLIENT, "a", 1, first_ms),
    ]
    assert [each.key for each in await services.attributes.read(device.id, Scope.SHARED, ["c", "d"])] == ["c"]


async def test_se_7_what_operators_change_is_audited_without_values(services: MemoryServices) -> None:
    device = (await services.device()).ref

    await services.attributes.save(device, Scope.SERVER, {"key": SECRET}, actor="user:x", origin=ORIGIN)
    await services.attributes.delete(device, Scope.SERVER, ["key"], actor="user:x", origin=ORIGIN)
    await services.attributes.save(device, Scope.CLIENT, {"key": SECRET}, actor="device")

    (saved,), (deleted,) = await services.audit("attributes-saved"), await services.audit("attributes-deleted")
    for entry in (saved, deleted):
        assert (entry.actor, entry.address, entry.device, entry.detail) == (
            "user:x", "192.0.2.1", "meter-7", "server: key",
        )  # fmt: skip
        assert SECRET not in repr(entry)


async def test_only_shared_attributes_are_told_to_other_processes(services: MemoryServices) -> None:
    device = (await services.device()).ref
    before = len(await services.changes())
    for scope in Scope:
        await services.attributes.save(device, scope, {"a": 1}, actor="test")
        await services.attributes.delete(device, scope, ["a"], actor="test")

    changes = (await services.changes())[before:]

    assert [(change.kind, change.ref) for change in changes] == [(ChangeKind.ATTRIBUTES, device.id)] * 2
    assert [AttributeChange.from_json(change.detail or "") for change in changes] == [
        AttributeChange(updated=("a",)), AttributeChange(deleted=("a",)),
    ]  # fmt: skip


async def test_whoever_watches_is_told_what_was_set_and_deleted(services: MemoryServices) -> None:
    device = (await services.device()).ref
    watching = services.live_events.subscribe(1)

    await services.attributes.save(device, Scope.CLIENT, {"a": 1}, actor="device")
    await services.attributes.delete(device, Scope.CLIENT, ["a", "b"], actor="user:x")

    saved, deleted = await anext(watching), await anext(watching)
    assert (saved.data["values"], saved.data["deleted"], saved.data["actor"]) == ({"a": 1}, [], "device")
    assert (deleted.data["values"], deleted.data["deleted"]) == ({}, ["a", "b"])


async def test_deleting_the_provision_state_lets_the_device_provision_again(services: MemoryServices) -> None:
    device = await services.device()
    await services.attributes.save(device.ref, Scope.SERVER, {PROVISION_STATE: "provisioned"}, actor="test")
    assert (await services.devices.get(1, device.name)).provision_state == "provisioned"

    await services.attributes.delete(device.ref, Scope.SERVER, [PROVISION_STATE], actor="test")

    again = await services.devices.get(1, device.name)
    assert again.provision_state is None
    assert again.state == "re-opened"


@pytest.mark.parametrize(
    "values", [{"": 1}, {"k" * 256: 1}, {"a": None}, {"a": float("nan")}, {"a": "x" * 70_000}]
)
async def test_ht_2_what_breaks_a_rule_is_refused_as_a_whole(
    services: MemoryServices, values: dict[str, object]
) -> None:
    device = (await services.device()).ref

    with pytest.raises(InvalidValue):
        await services.attributes.save(device, Scope.CLIENT, {"good": 1, **values}, actor="device")
    assert await services.attributes.read(device.id) == []


async def test_mq_17_a_device_has_a_bounded_number_of_attributes_in_a_scope(services: MemoryServices) -> None:
    device = (await services.device()).ref
    many = {f"key-{number}": number for number in range(MAX_KEYS)}
    await services.attributes.save(device, Scope.CLIENT, many, actor="device")

    with pytest.raises(InvalidValue):
        await services.attributes.save(device, Scope.CLIENT, {"one more": 1}, actor="device")
    await services.attributes.save(device, Scope.SHARED, {"one more": 1}, actor="test")
    await services.attributes.save(device, Scope.CLIENT, many, actor="device")
    await services.attributes.delete(device, Scope.CLIENT, ["key-0"], actor="test")
    await services.attributes.save(device, Scope.CLIENT, {"one more": 1}, actor="device")


async def test_mq_17_a_device_has_a_bounded_number_of_bytes_in_a_scope(services: MemoryServices) -> None:
    device = (await services.device()).ref
    large = "ä" * 30_000
    fitting = MAX_BYTES // (len(large.encode()) + 1)

    async def save(count: int, scope: Scope = Scope.CLIENT) -> None:
        for number in range(count):
            await services.attributes.save(device, scope, {chr(ord("a") + number): large}, actor="device")

    with pytest.raises(InvalidValue, match=str(MAX_BYTES)):
        await save(fitting + 1)
    assert len(await services.attributes.read(device.id, Scope.CLIENT)) == fitting
    await save(fitting)  # what is there already takes no more room
    await save(fitting, Scope.SHARED)
    await services.attributes.delete(device, Scope.CLIENT, ["a"], actor="test")
    await services.attributes.save(device, Scope.CLIENT, {"z": [large]}, actor="device")


async def test_a_device_that_is_gone_has_no_attributes(services: MemoryServices) -> None:
    device = await services.device()
    await services.devices.delete(device, actor="test")

    with pytest.raises(NotFound):
        await services.attributes.save(device.ref, Scope.CLIENT, {"a": 1}, actor="device")
    with pytest.raises(NotFound):
        await services.attributes.delete(device.ref, Scope.CLIENT, ["a"], actor="device")


async def test_nothing_is_told_when_the_database_is_away(services: MemoryServices) -> None:
    device = (await services.device()).ref
    watching = services.live_events.subscribe(1)
    services.away = True

    with pytest.raises(Unavailable):
        await services.attributes.save(device, Scope.CLIENT, {"a": 1}, actor="device")
    watching.close()
    assert [event async for event in watching] == []


async def test_nothing_to_do_is_no_error_and_no_audit(services: MemoryServices) -> None:
    device = (await services.device()).ref

    await services.attributes.save(device, Scope.SHARED, {}, actor="test")
    await services.attributes.delete(device, Scope.SHARED, [], actor="test")

    assert await services.audit("attributes-saved") == await services.audit("attributes-deleted") == []
