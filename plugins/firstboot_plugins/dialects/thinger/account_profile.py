"""The device profile of an account's devices that are made without a rule or a pool."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from firstboot.app import Services
from firstboot.errors import AlreadyExists, NotFound, VersionConflict
from firstboot.model import DIALECT, DeviceProfile, Tenant
from firstboot.profiles import plain_profile

NAME = "thinger"
"""Name of this dialect, in profiles and in what is kept with devices."""


class AccountProfiles:
    """Finds each account's profile, and makes it when it is needed first.

    It has no provision key, so that nobody gets a device with it who has no token. One of this name that an
    operator has made beforehand is taken with its limits, and its devices speak this dialect from then on.
    """

    def __init__(self, services: Services, name: str) -> None:
        self._services = services
        self._name = name
        self._ids: dict[int, int] = {}
        """Id of the profile by that of the account: so that not all profiles are looked through each time."""

    async def get(self, account: Tenant) -> DeviceProfile:
        """Return the profile of an account.

        Raises: `Unavailable`, `InvalidValue` (`LimitReached`) when the account has as many as it may have.
        """
        profile = self._services.profile_directory.get(self._ids.get(account.id, 0))
        if profile is None or profile.name != self._name or profile.details.get(DIALECT) != NAME:
            profile = self._look_for(account) or await self._make(account)
            if DIALECT not in profile.details:
                profile = await self._adopt(account, profile)
            self._ids[account.id] = profile.id
        return profile

    async def _adopt(self, account: Tenant, profile: DeviceProfile) -> DeviceProfile:
        """Have the devices of a profile that an operator has made speak this dialect."""
        ours = replace(profile, details={**profile.details, DIALECT: NAME})
        with suppress(VersionConflict):  # somebody has changed it just now: the next request tries again
            await self._services.profiles.update(ours, expected_version=profile.version, actor="server")
        await self._services.provisioning.reload_profiles()
        return self._look_for(account) or profile

    def _look_for(self, account: Tenant) -> DeviceProfile | None:
        for profile in self._services.profile_directory.all():
            if profile.tenant_id == account.id and profile.name == self._name:
                return profile
        return None

    async def _make(self, account: Tenant) -> DeviceProfile:
        profiles = self._services.profiles
        draft = replace(
            plain_profile(account.id, self._name), strategy="allow-create-new", details={DIALECT: NAME}
        )
        with suppress(AlreadyExists):  # made by somebody else, a moment ago
            await profiles.save_new(draft, secret=None, actor="server")
        await self._services.provisioning.reload_profiles()
        found = self._look_for(account)
        if found is None:
            raise NotFound(f"There is no device profile named {self._name!r}.")
        return found
