"""Setting up the pool of a profile, also one that had another strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from firstboot.errors import InvalidValue, VersionConflict
from firstboot.model import DeviceProfile
from firstboot.profiles import ProfileService, with_strategy
from firstboot_plugins.strategies.pool_options import POOL, STRATEGY, PoolOptions


def applied(options: Mapping[str, Any], profile: DeviceProfile) -> DeviceProfile:
    """Return the profile with these options of its pool; those that are not named stay. Nothing is written yet.

    Raises: `InvalidValue`.
    """
    told = profile.details.get(POOL, {})
    read = PoolOptions.read({**(told if isinstance(told, Mapping) else {}), **options})
    return replace(with_strategy(profile, STRATEGY), details={**profile.details, POOL: read.told()})


async def change(
    profiles: ProfileService, profile: DeviceProfile, options: Mapping[str, Any], *, actor: str
) -> DeviceProfile:
    """Change options of a profile's pool, whatever somebody else has changed meanwhile.

    Raises: `InvalidValue`, `NotFound`.
    """
    while True:
        try:
            return await profiles.update(
                applied(options, profile), expected_version=profile.version, actor=actor, event="pool-changed"
            )
        except VersionConflict:
            profile = await profiles.by_public_id(profile.tenant_id, profile.public_id)


def options_of(profile: DeviceProfile) -> PoolOptions:
    """Return the options of a profile that has a pool.

    Raises: `InvalidValue`.
    """
    if profile.strategy != STRATEGY:
        raise InvalidValue(f"Profile {profile.name!r} has no pool: its strategy is {profile.strategy}.")
    return PoolOptions.of(profile)
