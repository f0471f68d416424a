"""Each tenant has one default profile at most, and one as soon as it is asked for."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.memory_services import MemoryServices

from firstboot.errors import AlreadyExists, InvalidValue, NotFound, VersionConflict


@pytest.fixture
async def services() -> MemoryServices:
    return MemoryServices()


async def test_the_default_profile_is_made_once_and_provisions_nobody(services: MemoryServices) -> None:
    found = await asyncio.gather(*(services.profiles.default(1) for _ in range(5)))

    assert len({profile.id for profile in found}) == 1
    (made,) = await services.profiles.all(1)
    assert (made.name, made.strategy, made.provision_key, made.secret_digest) == (
        "default",
        "disabled",
        None,
        None,
    )
    assert made.is_default


async def test_each_tenant_has_its_own(services: MemoryServices) -> None:
    other = services.storage.add_tenant("other")

    assert (await services.profiles.default(1)).id != (await services.profiles.default(other.id)).id


async def test_a_profile_that_has_the_name_already_becomes_the_default(services: MemoryServices) -> None:
    profile = await services.profile("default")

    default = await services.profiles.default(1)

    assert (default.id, default.is_default, default.strategy) == (profile.id, True, "allow-create-new")


async def test_another_profile_takes_the_place_of_the_default(services: MemoryServices) -> None:
    former, profile = await services.profiles.default(1), await services.profile()

    changed = await services.profiles.set_default(profile, actor="test")

    assert changed.is_default
    assert [each.id for each in await services.profiles.all(1) if each.is_default] == [profile.id]
    assert (await services.profiles.default(1)).id == profile.id != former.id


async def test_a_second_default_profile_is_refused(services: MemoryServices) -> None:
    await services.profiles.default(1)

    with pytest.raises(AlreadyExists, match=r"^Another default device profile is present in scope of current"):
        await services.profile(is_default=True)


async def test_the_default_profile_is_not_deleted(services: MemoryServices) -> None:
    with pytest.raises(InvalidValue, match=r"^Deletion of Default Device Profile is prohibited!$"):
        await services.profiles.delete(await services.profiles.default(1), actor="test")


async def test_a_version_that_is_not_the_newest_overwrites_nothing(services: MemoryServices) -> None:
    profile = await services.profile()
    newer = await services.profiles.update(profile, expected_version=profile.version, actor="test")

    with pytest.raises(VersionConflict):
        await services.profiles.update(profile, expected_version=profile.version, actor="test")
    await services.profiles.update(newer, expected_version=newer.version, actor="test")


async def test_tn_1_a_profile_is_not_there_for_another_tenant(services: MemoryServices) -> None:
    profile = await services.profile()
    other = services.storage.add_tenant("other")

    assert (await services.profiles.by_public_id(1, profile.public_id)).id == profile.id
    with pytest.raises(NotFound):
        await services.profiles.by_public_id(other.id, profile.public_id)
