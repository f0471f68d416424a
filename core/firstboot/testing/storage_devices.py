"""Storage suite: devices are made, handed out, re-opened and deleted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from firstboot.model import PROVISION_STATE, PROVISIONED, Attribute, Scope
from firstboot.storage import (
    ChangeKind,
    ConfirmDelivery,
    DeleteDevice,
    HandOut,
    Outcome,
    RecordLogin,
    ReopenDevice,
    Storage,
    When,
    Write,
)
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import (
    IS_PROVISIONED,
    StorageSuite,
    World,
    attributes,
    digest,
    hand_out,
    replace_credentials,
)

NAMES = (
    "meter 7",
    'O\'Hara "the" `meter`',
    "100%",
    "a_b",
    "a\\b",
    "'; DROP TABLE device; --",
    "{0} %s {{x}}",
    "*?[a-z]",
    "\N{GRINNING FACE}\N{PILE OF POO}",
    "Größe-Ω-電流計",
    "x" * 255,
    "\N{GRINNING FACE}" * 255,
)
JSON_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**53,
    -(2**53),
    1.5,
    -1e-7,
    "",
    "null",
    "1",
    "Größe \N{GRINNING FACE} \"quoted\" 'too' \\ %",
    "two\nlines\tand a tab",
    [],
    {},
    [1, "two", None, [True, {"three": 3.5}]],
    {"": 1, "nested": {"list": [], "null": None}, "ключ": "значение"},
)


class DeviceTests(StorageSuite):
    """Making, handing out, re-opening and deleting, one write at a time."""

    async def test_a_device_comes_back_as_it_was_made(self, world: World) -> None:
        public_id = uuid4()

        device = await world.make_device(
            "meter-7",
            public_id=public_id,
            label="Zähler \N{GRINNING FACE} im Keller",
            additional_info={"gateway": True, "description": "am Fenster", "list": [1, None]},
            created_at_ms=NOW_MS + 1,
            provisioned_at_ms=NOW_MS + 2,
            attributes=(IS_PROVISIONED,),
            request_digest=digest("request"),
        )

        assert device.id > 0
        assert (device.public_id, device.tenant_id, device.profile_id) == (
            public_id,
            world.tenant.id,
            world.profile.id,
        )
        assert (device.name, device.label) == ("meter-7", "Zähler \N{GRINNING FACE} im Keller")
        assert device.additional_info == {"gateway": True, "description": "am Fenster", "list": [1, None]}
        assert (device.created_at_ms, device.provisioned_at_ms) == (NOW_MS + 1, NOW_MS + 2)
        assert (device.provision_state, device.request_digest) == (PROVISIONED, digest("request"))
        assert (device.delivered_at_ms, device.first_login_at_ms, device.reopened_at_ms) == (None, None, None)

    async def test_what_a_device_does_not_have_is_none(self, world: World) -> None:
        device = await world.make_device()

        assert (device.label, device.additional_info, device.provision_state) == (None, None, None)
        assert (device.provisioned_at_ms, device.request_digest) == (None, None)

    async def test_the_result_has_the_id_of_the_new_device(self, world: World) -> None:
        (result,) = await world.storage.write([world.device("meter-7")], world.chain)

        assert result.id == (await world.read("meter-7")).id

    @pytest.mark.parametrize("name", NAMES)
    async def test_any_name_is_kept_and_found(self, world: World, name: str) -> None:
        await world.make_device("another")

        made = await world.make_device(name)

        assert made.name == name
        assert await world.do(world.device(name, "other token")) == [Outcome.NAME_TAKEN]

    async def test_names_that_differ_in_case_only_are_two(self, world: World) -> None:
        await world.make_device("meter-a")

        assert await world.storage.find_device(world.tenant.id, "METER-A") is None
        assert await world.do(world.device("METER-A")) == [Outcome.DONE]

    async def test_attributes_of_every_json_type_come_back_equal(self, world: World) -> None:
        given = tuple(Attribute(Scope.SHARED, f"key {number}", value) for number, value in enumerate(JSON_VALUES))

        device = await world.make_device(attributes=given)

        assert await attributes(world.storage, device.id) == {
            (each.scope, each.key): json.dumps(each.value, sort_keys=True) for each in given
        }

    async def test_one_key_can_be_in_each_scope(self, world: World) -> None:
        device = await world.make_device(attributes=tuple(Attribute(scope, "key", scope.name) for scope in Scope))

        assert await attributes(world.storage, device.id) == {
            (scope, "key"): json.dumps(scope.name) for scope in Scope
        }

    async def test_only_the_servers_attribute_is_the_provision_state(self, world: World) -> None:
        device = await world.make_device(
            attributes=(
                Attribute(Scope.CLIENT, PROVISION_STATE, PROVISIONED),
                Attribute(Scope.SHARED, PROVISION_STATE, PROVISIONED),
            )
        )

        assert device.provision_state is None

    async def test_a_name_that_is_taken_is_refused_by_every_storage_on_the_data(
        self, world: World, other_storage: Storage
    ) -> None:
        await world.make_device("meter-7")

        (result,) = await other_storage.write([world.device("meter-7", "other token")], world.chain)

        assert result.outcome is Outcome.NAME_TAKEN

    async def test_one_name_may_be_in_two_tenants(self, world: World, other_world: World) -> None:
        mine = await world.make_device("meter-7", "mine")

        theirs = await other_world.make_device("meter-7", "theirs")

        assert (await world.read("meter-7")).id == mine.id != theirs.id
        assert (await world.state())["devices"] == [mine]

    async def test_credentials_are_unique_over_all_tenants(self, world: World, other_world: World) -> None:
        await world.make_device("meter-7", "token")

        assert await other_world.do(other_world.device("meter-8", "token")) == [Outcome.CREDENTIALS_IN_USE]

    async def test_the_limit_of_devices_holds_at_n_and_n_plus_1(self, world: World) -> None:
        outcomes = [await world.do(world.device(f"meter-{number}", max_devices=3)) for number in range(4)]

        assert outcomes == [[Outcome.DONE]] * 3 + [[Outcome.DEVICE_LIMIT]]
        assert await world.storage.count_devices(world.profile.id) == 3

    async def test_the_limit_counts_the_devices_of_the_profile_only(self, world: World) -> None:
        other = await world.make_profile("other")
        await world.make_device("meter-7", profile_id=other.id)

        assert await world.do(world.device("meter-8", max_devices=1)) == [Outcome.DONE]

    async def test_a_profile_that_is_gone_gets_no_device(self, world: World) -> None:
        assert await world.do(world.device("meter-7", profile_id=world.profile.id + 1000)) == [
            Outcome.PROFILE_GONE
        ]

    @pytest.mark.parametrize(
        ("fields", "outcome"),
        [
            ({"name": "taken", "token": "new token"}, Outcome.NAME_TAKEN),
            ({"name": "new", "token": "token of taken"}, Outcome.CREDENTIALS_IN_USE),
            ({"name": "new", "max_devices": 1}, Outcome.DEVICE_LIMIT),
            ({"name": "new", "profile_id": 987_654}, Outcome.PROFILE_GONE),
        ],
    )
    async def test_a_device_that_cannot_be_made_leaves_nothing_behind(
        self, world: World, fields: dict[str, Any], outcome: Outcome
    ) -> None:
        await world.make_device("taken")
        before = await world.state()

        outcomes = await world.do(world.device(**fields, attributes=(Attribute(Scope.SERVER, "a", 1),)))

        assert outcomes == [outcome]
        assert await world.state() == before
        assert not await world.storage.find_credentials([digest("new token"), digest("token of new")])

    async def test_handing_out_sets_everything(self, world: World) -> None:
        device = await world.make_device(attributes=(Attribute(Scope.SERVER, "old", 1),))

        await world.do(
            hand_out(
                device.id,
                at_ms=NOW_MS + 5,
                attributes=(Attribute(Scope.SERVER, "old", 2), Attribute(Scope.SHARED, "new", [3])),
                request_digest=digest("request"),
            )
        )

        assert await world.read("meter-7") == replace(
            device, provision_state=PROVISIONED, provisioned_at_ms=NOW_MS + 5, request_digest=digest("request")
        )
        assert await attributes(world.storage, device.id) == {
            (Scope.SERVER, "old"): "2",
            (Scope.SHARED, "new"): "[3]",
            (Scope.SERVER, PROVISION_STATE): json.dumps(PROVISIONED),
        }

    @pytest.mark.parametrize(
        ("steps", "allowed"),
        [
            pytest.param("", {When.NOT_PROVISIONED, When.NEVER_USED, When.ALWAYS}, id="new"),
            pytest.param("h", {When.NEVER_USED, When.ALWAYS}, id="handed out"),
            pytest.param("hc", {When.ALWAYS}, id="delivered"),
            pytest.param("hl", {When.ALWAYS}, id="logged in"),
            pytest.param("l", {When.NOT_PROVISIONED, When.ALWAYS}, id="logged in without asking"),
            pytest.param(
                "hr", {When.NOT_PROVISIONED, When.NEVER_USED, When.REOPENED, When.ALWAYS}, id="re-opened"
            ),
            pytest.param("hcrh", {When.NEVER_USED, When.ALWAYS}, id="delivered, then handed out again"),
            pytest.param("hrh", {When.NEVER_USED, When.ALWAYS}, id="re-opened, handed out again"),
        ],
    )
    @pytest.mark.parametrize("when", When)
    @pytest.mark.parametrize("how", ["handing out", "replacing"])
    async def test_a_write_happens_only_in_its_state(
        self, world: World, steps: str, allowed: set[When], when: When, how: str
    ) -> None:
        device = await world.make_device("meter-7", "old")
        for step in steps:
            assert await world.do(_step(step, device.id)) == [Outcome.DONE]
        before = await world.state()

        write: Write = (
            hand_out(device.id, when)
            if how == "handing out"
            else replace_credentials(device.id, "old", "new", when=when)
        )

        if when in allowed:
            assert await world.do(write) == [Outcome.DONE]
        else:
            assert await world.do(write) == [Outcome.STALE]
            assert await world.state() == before

    async def test_re_opening_ends_the_provision_state(self, world: World) -> None:
        device = await world.make_device()
        await world.do(hand_out(device.id))

        await world.do(ReopenDevice(device_id=device.id, at_ms=NOW_MS + 9, audit=an_audit_entry()))

        reopened = await world.read("meter-7")
        assert (reopened.provision_state, reopened.reopened_at_ms) == (None, NOW_MS + 9)
        assert (Scope.SERVER, PROVISION_STATE) not in await attributes(world.storage, device.id)

    async def test_handing_out_ends_a_re_opening(self, world: World) -> None:
        device = await world.make_device()
        await world.do(_step("h", device.id), _step("r", device.id), hand_out(device.id, When.REOPENED))

        assert (await world.read("meter-7")).reopened_at_ms is None
        assert await world.do(hand_out(device.id, When.REOPENED)) == [Outcome.STALE]

    async def test_only_the_first_login_is_recorded(self, world: World) -> None:
        device = await world.make_device("meter-7", "token")

        await world.do(RecordLogin(device.id, NOW_MS + 1))
        outcomes = await world.do(RecordLogin(device.id, NOW_MS + 2))

        assert outcomes == [Outcome.DONE]
        assert (await world.read("meter-7")).first_login_at_ms == NOW_MS + 1
        (found,) = await world.storage.find_credentials([digest("token")])
        assert found.first_login_at_ms == NOW_MS + 1

    async def test_a_delivery_is_recorded(self, world: World) -> None:
        device = await world.make_device()

        await world.do(ConfirmDelivery(device.id, NOW_MS + 1))

        assert (await world.read("meter-7")).delivered_at_ms == NOW_MS + 1

    async def test_deleting_a_device_removes_all_that_is_its_own(self, world: World) -> None:
        await world.make_device("another")
        before = await world.state()
        device = await world.make_device("meter-7", "old", attributes=(Attribute(Scope.SERVER, "a", 1),))
        await world.do(replace_credentials(device.id, "old", "new", keep_old_until_ms=NOW_MS + 1000))

        outcomes = await world.do(DeleteDevice(device_id=device.id, audit=an_audit_entry("device-deleted")))

        assert outcomes == [Outcome.DONE]
        after = await world.state()
        assert {key: after[key] for key in ("devices", "count", "credentials", "attributes")} == {
            key: before[key] for key in ("devices", "count", "credentials", "attributes")
        }
        assert not await world.storage.find_credentials([digest("old"), digest("new")])
        assert not await world.storage.device_credentials(device.id)
        assert not await world.storage.device_attributes(device.id)
        assert [row.entry.event for row in after["audit"]][-3:] == [
            "device-provisioned",
            "credentials-replaced",
            "device-deleted",
        ]

    async def test_the_name_and_token_of_a_deleted_device_are_free(self, world: World) -> None:
        device = await world.make_device("meter-7", "token")
        await world.do(DeleteDevice(device_id=device.id, audit=an_audit_entry()))

        again = await world.make_device("meter-7", "token")

        assert not await world.storage.device_attributes(again.id)

    async def test_other_processes_are_told_of_a_deleted_device(self, world: World) -> None:
        device = await world.make_device()
        before = await world.storage.last_change()

        await world.do(DeleteDevice(device_id=device.id, audit=an_audit_entry()))

        changes = await world.storage.changes_since(before)
        assert (ChangeKind.DEVICE_DELETED, device.id) in [(each.kind, each.ref) for each in changes]

    async def test_a_device_that_is_gone_stays_gone(self, world: World) -> None:
        device = await world.make_device("meter-7", "token")
        await world.do(DeleteDevice(device_id=device.id, audit=an_audit_entry()))
        before = await world.state()

        outcomes = [
            await world.do(write)
            for write in (
                *(_step(step, device.id) for step in "hlcr"),
                hand_out(device.id, When.ALWAYS),
                replace_credentials(device.id, "token", "new"),
                DeleteDevice(device_id=device.id, audit=an_audit_entry()),
            )
        ]

        assert outcomes == [[Outcome.DEVICE_GONE]] * 7
        assert await world.state() == before


def _step(step: str, device_id: int) -> HandOut | RecordLogin | ConfirmDelivery | ReopenDevice:
    """Return a write in short: h(and out), l(ogin), c(onfirm delivery), r(e-open)."""
    match step:
        case "h":
            return hand_out(device_id)
        case "l":
            return RecordLogin(device_id, NOW_MS)
        case "c":
            return ConfirmDelivery(device_id, NOW_MS)
        case _:
            return ReopenDevice(device_id=device_id, at_ms=NOW_MS, audit=an_audit_entry("device-re-opened"))
