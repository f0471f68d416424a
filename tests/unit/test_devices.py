"""What operators do with devices is checked, audited, and noticed by running servers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from tests.unit.memory_services import MemoryServices

from firstboot.devices import DeviceDraft
from firstboot.errors import AlreadyExists, InvalidValue, LimitReached, NotFound, VersionConflict
from firstboot.model import Credentials, ProfileLimits
from firstboot.storage import ChangeKind, DevicePageQuery

TOKEN = Credentials("ACCESS_TOKEN", "the-first-token")


@pytest.fixture
async def services() -> MemoryServices:
    return MemoryServices()


async def test_a_device_is_made_with_all_that_its_draft_says(services: MemoryServices) -> None:
    profile, customer = await services.profile(), await services.customer()
    draft = DeviceDraft(
        name=" meter-7 ", credentials=TOKEN, label="hall", gateway=True, customer_id=customer.id,
        additional_info={"room": 5}, details={"firmware": None},
    )  # fmt: skip

    made = await services.devices.create(profile, draft, actor="user:a@example.com")

    stored = await services.devices.by_public_id(1, made.public_id)
    assert made == stored
    assert (stored.name, stored.label, stored.customer_id) == ("meter-7", "hall", customer.id)
    assert stored.additional_info == {"room": 5, "gateway": True}
    assert stored.details == {"firmware": None}
    assert await services.devices.credentials(stored) == TOKEN
    (audit,) = await services.audit("device-created")
    assert (audit.actor, audit.device, audit.profile) == ("user:a@example.com", "meter-7", "sensor")


async def test_a_device_of_a_customer_that_is_not_there_is_not_made(services: MemoryServices) -> None:
    draft = DeviceDraft(name="meter-7", credentials=TOKEN, customer_id=999)

    with pytest.raises(NotFound):
        await services.devices.create(await services.profile(), draft, actor="test")
    with pytest.raises(NotFound):
        await services.devices.get(1, "meter-7")


async def test_tn_1_a_device_is_not_there_for_another_tenant(services: MemoryServices) -> None:
    device = await services.device()
    other = services.storage.add_tenant("other")

    with pytest.raises(NotFound):
        await services.devices.by_public_id(other.id, device.public_id)
    with pytest.raises(NotFound):
        await services.devices.by_public_id(1, uuid4())
    page = await services.devices.page(DevicePageQuery(tenant_id=other.id))
    assert (list(page.rows), page.total) == ([], 0)


async def test_a_device_is_renamed_and_described(services: MemoryServices) -> None:
    device = await services.device()

    wanted = replace(device, name="meter-8", label="cellar", additional_info={"a": 1}, details={"b": 2})
    changed = await services.devices.update(wanted, expected_version=device.version, actor="test")

    stored = await services.devices.by_public_id(1, device.public_id)
    assert changed == stored
    assert stored.version > device.version
    assert (stored.name, stored.label) == ("meter-8", "cellar")
    assert (stored.additional_info, stored.details) == ({"a": 1}, {"b": 2})


async def test_a_version_that_is_not_the_newest_overwrites_nothing(services: MemoryServices) -> None:
    device = await services.device()
    await services.devices.update(replace(device, label="mine"), expected_version=device.version, actor="test")

    with pytest.raises(VersionConflict):
        await services.devices.update(
            replace(device, label="yours"), expected_version=device.version, actor="test"
        )
    assert (await services.devices.get(1, "meter-7")).label == "mine"


async def test_a_name_that_is_taken_is_refused_with_the_text_of_the_contract(services: MemoryServices) -> None:
    await services.device("meter-7")
    other = await services.device("meter-8")

    with pytest.raises(AlreadyExists, match=r"^Device with such name already exists!$"):
        await services.devices.update(replace(other, name="meter-7"), actor="test")
    with pytest.raises(AlreadyExists, match=r"^Device with such name already exists!$"):
        await services.device("meter-7")


@pytest.mark.parametrize(
    "fields", [{"name": ""}, {"name": "a\0"}, {"label": "a\nb"}, {"additional_info": {"a": float("nan")}},
               {"details": {"a": "x" * 70_000}}],
)  # fmt: skip
async def test_ht_7_what_breaks_a_rule_is_refused(services: MemoryServices, fields: dict[str, object]) -> None:
    device = await services.device()

    with pytest.raises(InvalidValue):
        await services.devices.update(replace(device, **fields), actor="test")  # type: ignore[arg-type]
    assert await services.devices.get(1, "meter-7") == device


async def test_a_device_moves_to_another_profile_within_its_bounds(services: MemoryServices) -> None:
    device = await services.device()
    narrow = await services.profile("narrow", limits=ProfileLimits(max_devices=1))

    moved = await services.devices.update(device, profile=narrow, actor="test")
    assert moved.profile_id == narrow.id
    with pytest.raises(LimitReached):
        await services.devices.update(await services.device("meter-8"), profile=narrow, actor="test")
    with pytest.raises(LimitReached):
        await services.device("meter-9", narrow)


async def test_a_device_is_given_to_a_customer_and_taken_back(services: MemoryServices) -> None:
    device, customer = await services.device(), await services.customer()

    assigned = await services.ownership.assign(device, customer, actor="test")
    assert (await services.devices.get(1, "meter-7")).customer_id == customer.id
    await services.ownership.assign(assigned, None, actor="test")
    assert (await services.devices.get(1, "meter-7")).customer_id is None
    assert len(await services.audit("device-assigned")) == len(await services.audit("device-unassigned")) == 1


async def test_tn_1_a_device_is_not_given_to_another_tenants_customer(services: MemoryServices) -> None:
    other = services.storage.add_tenant("other")
    device, customer = await services.device(), await services.customer(tenant_id=other.id)

    with pytest.raises(NotFound):
        await services.ownership.assign(device, customer, actor="test")


async def test_switching_a_device_off_keeps_what_others_have_changed(services: MemoryServices) -> None:
    device = await services.device()
    await services.devices.update(replace(device, label="new"), actor="somebody else")

    disabled = await services.devices.set_enabled(device, False, actor="test")

    assert (disabled.enabled, disabled.label) == (False, "new")
    assert [change.kind for change in await services.changes()][-1] is ChangeKind.DEVICE_DISABLED
    assert (await services.devices.set_enabled(disabled, True, actor="test")).enabled


async def test_credentials_are_changed_and_everybody_is_told(services: MemoryServices) -> None:
    device = await services.device()
    watching = services.live_events.subscribe(1)

    await services.devices.change_credentials(device, TOKEN, actor="user:a")

    assert await services.devices.credentials(device) == TOKEN
    assert len(await services.storage.device_credentials(device.id)) == 1
    assert [change.kind for change in await services.changes()][-1] is ChangeKind.CREDENTIALS
    assert (await anext(watching)).kind == "credentials-changed"
    (audit,) = await services.audit("credentials-changed")
    assert (audit.actor, audit.detail) == ("user:a", "ACCESS_TOKEN")


async def test_a_password_is_changed_under_the_same_user_name(services: MemoryServices) -> None:
    device = await services.device()
    for password in ("one", "two"):
        await services.devices.change_credentials(device, Credentials("MQTT_BASIC", "u", password), actor="test")

    assert (await services.devices.credentials(device)).value == "two"


async def test_credentials_of_another_device_are_refused(services: MemoryServices) -> None:
    device, other = await services.device(), await services.device("meter-8")
    taken = await services.devices.credentials(other)

    with pytest.raises(AlreadyExists, match=r"^Device credentials are already assigned to another device!$"):
        await services.devices.change_credentials(device, taken, actor="test")
    assert await services.devices.credentials(device) != taken


async def test_two_who_change_credentials_at_a_time_leave_one_pair(services: MemoryServices) -> None:
    device = await services.device()
    wanted = [Credentials("ACCESS_TOKEN", f"token of {number}") for number in range(5)]

    await asyncio.gather(*(services.devices.change_credentials(device, each, actor="test") for each in wanted))

    assert len(await services.storage.device_credentials(device.id)) == 1


async def test_nothing_can_be_done_with_a_device_that_is_gone(services: MemoryServices) -> None:
    device = await services.device()
    await services.devices.delete(device, actor="test")

    for act in (
        services.devices.delete(device, actor="test"),
        services.devices.reopen(device, actor="test"),
        services.devices.update(device, actor="test"),
        services.devices.set_enabled(device, False, actor="test"),
        services.devices.change_credentials(device, TOKEN, actor="test"),
    ):
        with pytest.raises(NotFound):
            await act
