"""Storage suite: device profiles."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from firstboot.model import DeviceProfile, ProfileLimits, ReprovisionPolicy
from firstboot.storage import (
    ChangeKind,
    CreateProfile,
    DeleteProfile,
    Outcome,
    Storage,
    UpdateProfile,
)
from firstboot.testing.samples import NOW_MS, a_profile, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World

EVERYTHING: dict[str, Any] = {
    "strategy": "check-pre-provisioned",
    "provision_key": "Schlüssel 'with' \"quotes\" %_",
    "secret_digest": bytes(range(16)),
    "secret_sealed": bytes(range(256)),
    "previous_secret_digest": b"\xff" * 16,
    "previous_secret_until_ms": NOW_MS + 1,
    "enabled": False,
    "reprovision": ReprovisionPolicy.ROTATE,
    "retry_window": timedelta(minutes=3, milliseconds=5),
    "rotation_grace": timedelta(days=40),
    "limits": ProfileLimits(
        expires_at_ms=NOW_MS + 2,
        max_devices=3,
        max_per_minute=4,
        name_pattern=r"meter-\d+'\"%",
        allowed_networks=(ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32")),
    ),
    "description": "für den \N{GRINNING FACE} Keller",
    "weak_secret": True,
    "is_default": True,
    "claim_with_gateway": True,
    "release_by_device": True,
    "details": {"image": None, "nested": {"list": [1, "\N{GRINNING FACE}"]}},
    "created_at_ms": NOW_MS,
}


class ProfileTests(StorageSuite):
    """Making, changing and deleting device profiles."""

    async def test_a_profile_comes_back_as_it_was_made(self, world: World) -> None:
        given = a_profile("all set", tenant_id=world.tenant.id, **EVERYTHING)

        (made,) = await world.storage.write([CreateProfile(profile=given, audit=an_audit_entry())], world.chain)

        assert await world.read_profile(made.id) == replace(given, id=made.id)

    async def test_what_a_profile_does_not_have_is_none(self, world: World) -> None:
        nothing = {"provision_key": None, "secret_digest": None, "secret_sealed": None}
        given = a_profile("bare", tenant_id=world.tenant.id, **nothing)

        (made,) = await world.storage.write([CreateProfile(profile=given, audit=an_audit_entry())], world.chain)

        assert await world.read_profile(made.id) == replace(given, id=made.id)

    async def test_the_id_in_a_new_profile_is_ignored(self, world: World) -> None:
        given = a_profile("other", tenant_id=world.tenant.id, id=world.profile.id)

        assert await world.do(CreateProfile(profile=given, audit=an_audit_entry())) == [Outcome.DONE]

        assert {each.name for each in await world.storage.all_profiles()} == {"sensor", "other"}

    async def test_a_profile_is_replaced_as_a_whole(self, world: World) -> None:
        changed = replace(world.profile, name="renamed", **EVERYTHING)

        assert await world.do(UpdateProfile(profile=changed, audit=an_audit_entry())) == [Outcome.DONE]

        assert await world.read_profile(world.profile.id) == replace(changed, version=2)

    async def test_a_version_of_a_profile_is_replaced_once(self, world: World) -> None:
        def update(description: str, version: int | None) -> UpdateProfile:
            changed = replace(world.profile, description=description)
            return UpdateProfile(profile=changed, expected_version=version, audit=an_audit_entry())

        results = await world.storage.write(
            [update("first", 1), update("second", 1), update("third", 2), update("fourth", None)], world.chain
        )

        assert [(each.outcome, each.version) for each in results] == [
            (Outcome.DONE, 2),
            (Outcome.STALE, 0),
            (Outcome.DONE, 3),
            (Outcome.DONE, 4),
        ]
        read = await world.read_profile(world.profile.id)
        assert (read.description, read.version) == ("fourth", 4)

    async def test_a_tenant_has_one_default_profile(self, world: World, other_world: World) -> None:
        first = await world.make_profile("first", is_default=True)
        before = await world.state()

        def create(name: str, tenant_id: int) -> CreateProfile:
            profile = a_profile(name, tenant_id=tenant_id, is_default=True)
            return CreateProfile(profile=profile, audit=an_audit_entry())

        def update(profile: DeviceProfile, is_default: bool) -> UpdateProfile:
            return UpdateProfile(profile=replace(profile, is_default=is_default), audit=an_audit_entry())

        assert (
            await world.do(create("second", world.tenant.id), update(world.profile, True))
            == [Outcome.DEFAULT_TAKEN] * 2
        )
        assert await world.state() == before
        assert await world.do(create("theirs", other_world.tenant.id), update(first, True)) == [Outcome.DONE] * 2
        assert await world.do(update(first, False), update(world.profile, True)) == [Outcome.DONE] * 2
        assert (await world.read_profile(world.profile.id)).is_default

    async def test_of_rivals_over_two_storages_one_profile_becomes_the_default(
        self, world: World, other_storage: Storage
    ) -> None:
        other = replace(world, storage=other_storage)
        writes = [
            CreateProfile(
                profile=a_profile(f"profile {number}", tenant_id=world.tenant.id, is_default=True),
                audit=an_audit_entry(),
            )
            for number in range(10)
        ]

        assert await self.rivals([world, other], writes) == {Outcome.DONE: 1, Outcome.DEFAULT_TAKEN: 9}

    async def test_a_profile_cannot_be_changed_as_if_it_were_another_tenants(
        self, world: World, other_world: World
    ) -> None:
        before = await world.state()
        theirs = replace(world.profile, tenant_id=other_world.tenant.id, name="moved")

        assert await world.do(UpdateProfile(profile=theirs, audit=an_audit_entry())) == [Outcome.PROFILE_GONE]

        assert await world.state() == before

    async def test_other_processes_are_told_of_a_replaced_profile(self, world: World) -> None:
        before = await world.storage.last_change()

        await world.do(UpdateProfile(profile=world.profile, audit=an_audit_entry()))

        changes = await world.storage.changes_since(before)
        assert (ChangeKind.PROFILE, world.profile.id) in [(each.kind, each.ref) for each in changes]

    async def test_two_profiles_cannot_have_one_name(self, world: World) -> None:
        other = await world.make_profile("other")
        before = await world.state()
        twin = a_profile("sensor", tenant_id=world.tenant.id)

        created = await world.do(CreateProfile(profile=twin, audit=an_audit_entry()))
        updated = await world.do(UpdateProfile(profile=replace(other, name="sensor"), audit=an_audit_entry()))

        assert created + updated == [Outcome.NAME_TAKEN] * 2
        assert await world.state() == before

    async def test_two_profiles_cannot_have_one_key(self, world: World) -> None:
        other = await world.make_profile("other")
        before = await world.state()
        key = world.profile.provision_key
        twin = a_profile("twin", tenant_id=world.tenant.id, provision_key=key)

        created = await world.do(CreateProfile(profile=twin, audit=an_audit_entry()))
        updated = await world.do(UpdateProfile(profile=replace(other, provision_key=key), audit=an_audit_entry()))

        assert created + updated == [Outcome.KEY_TAKEN] * 2
        assert await world.state() == before

    async def test_many_profiles_can_be_without_a_key(self, world: World) -> None:
        for name in ("one", "two"):
            made = await world.make_profile(name, provision_key=None)
            assert made.provision_key is None

    async def test_tenants_may_share_a_name_but_not_a_key(self, world: World, other_world: World) -> None:
        other = other_world
        assert other.profile.name == world.profile.name
        twin = a_profile("twin", tenant_id=other.tenant.id, provision_key=world.profile.provision_key)

        assert await other.do(CreateProfile(profile=twin, audit=an_audit_entry())) == [Outcome.KEY_TAKEN]

    async def test_a_profile_without_devices_can_be_deleted(self, world: World) -> None:
        delete = DeleteProfile(profile_id=world.profile.id, audit=an_audit_entry())

        assert await world.do(delete) == [Outcome.DONE]

        assert not await world.storage.all_profiles()
        assert await world.do(world.device("meter-7")) == [Outcome.PROFILE_GONE]

    async def test_the_name_and_key_of_a_deleted_profile_are_free(self, world: World) -> None:
        await world.do(DeleteProfile(profile_id=world.profile.id, audit=an_audit_entry()))

        again = await world.do(CreateProfile(profile=world.profile, audit=an_audit_entry()))

        assert again == [Outcome.DONE]

    async def test_a_profile_with_devices_stays(self, world: World) -> None:
        await world.make_device()
        before = await world.state()

        outcomes = await world.do(DeleteProfile(profile_id=world.profile.id, audit=an_audit_entry()))

        assert outcomes == [Outcome.IN_USE]
        assert await world.state() == before

    @pytest.mark.parametrize("kind", ["update", "delete"])
    async def test_a_profile_that_is_gone_stays_gone(self, world: World, kind: str) -> None:
        gone = await world.make_profile("gone")
        await world.do(DeleteProfile(profile_id=gone.id, audit=an_audit_entry()))
        before = await world.state()

        outcomes = await world.do(
            UpdateProfile(profile=gone, audit=an_audit_entry())
            if kind == "update"
            else DeleteProfile(profile_id=gone.id, audit=an_audit_entry())
        )

        assert outcomes == [Outcome.PROFILE_GONE]
        assert await world.state() == before
