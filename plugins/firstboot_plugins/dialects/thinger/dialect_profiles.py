"""Device profiles that this dialect makes beside the one of each account: for its rules and its pools."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from firstboot.app import Services
from firstboot.errors import AlreadyExists, InvalidValue, NotFound, VersionConflict
from firstboot.model import DIALECT, DeviceProfile, ProfileLimits, Tenant
from firstboot.profiles import with_strategy
from firstboot.secret import Secret
from firstboot_plugins.dialects.thinger.account_profile import NAME
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.config import ThingerConfig
from firstboot_plugins.dialects.thinger.errors import not_found
from firstboot_plugins.dialects.thinger.list_query import ListQuery

_RETIRED = "retired"


def kept_in(profile: DeviceProfile, part: str) -> dict[str, Any] | None:
    """Return what the dialect keeps with a profile for a purpose, such as ``rule``; None: it is not for that."""
    own = profile.details.get(NAME)
    found = own.get(part) if profile.details.get(DIALECT) == NAME and isinstance(own, dict) else None
    return found if isinstance(found, dict) else None


def with_kept(profile: DeviceProfile, part: str, kept: dict[str, Any]) -> DeviceProfile:
    """Return the profile for a purpose, and for that alone."""
    return replace(profile, details={**profile.details, DIALECT: NAME, NAME: {part: kept}})


class DialectProfiles:
    """Those of one purpose. They have no provision key: nobody provisions with them who speaks another dialect."""

    def __init__(self, services: Services, part: str) -> None:
        self._services = services
        self._part = part
        self._generation = -1
        self._by_name: dict[tuple[int, str], DeviceProfile] = {}

    def all(self, account: Tenant) -> list[DeviceProfile]:
        """Return those of an account, in the order of their names."""
        return sorted((each for each in self._known().values() if each.tenant_id == account.id), key=_name)

    def allowed(self, asker: Asker, query: ListQuery, title: str, action: str) -> list[DeviceProfile]:
        """Return those that are asked for and that the asker may do this with.

        Raises: `ThingerError` (403) when the asker may do it with none.
        """
        asker.check_some(title, action)
        rows = [
            profile
            for profile in self.all(asker.account)
            if asker.may(title, profile.name, action) and query.takes(profile.name, "")
        ]
        return rows[query.index : query.index + query.count]

    def find(self, account: Tenant, name: str) -> DeviceProfile | None:
        return self._known().get((account.id, name))

    def get(self, account: Tenant, name: str) -> DeviceProfile:
        """Return one.

        Raises: `ThingerError` (404).
        """
        found = self.find(account, name)
        if found is None:
            raise not_found()
        return found

    @property
    def generation(self) -> int:
        """Another number after each change, for whoever keeps something that is made of them."""
        return self._services.profile_directory.generation

    def _known(self) -> dict[tuple[int, str], DeviceProfile]:
        directory = self._services.profile_directory
        if directory.generation != self._generation:
            self._by_name = {
                (each.tenant_id, each.name): each
                for each in directory.all()
                if kept_in(each, self._part) is not None
            }
            self._generation = directory.generation
        return self._by_name

    # -- changing ----------------------------------------------------------------------------------

    async def create(self, draft: DeviceProfile, *, secret: Secret | None, actor: str) -> DeviceProfile:
        """Make one. A deleted one of this name whose devices are still there comes back as the new one.

        Raises: `AlreadyExists`, `InvalidValue`, `Unavailable`.
        """
        profiles = self._services.profiles
        if draft.name == self._services.config.section(ThingerConfig).profile:
            raise AlreadyExists("The name is that of the profile of the account's other devices.")
        try:
            made = await profiles.save_new(draft, secret=secret, actor=actor)
        except AlreadyExists:
            retired = await profiles.get(draft.tenant_id, draft.name)
            if not (retired.details.get(NAME) or {}).get(_RETIRED) or retired.details.get(DIALECT) != NAME:
                raise
            revived = replace(
                retired,
                strategy=draft.strategy,
                enabled=draft.enabled,
                limits=draft.limits,
                details=draft.details,
            )
            with_it = profiles.with_secret(revived, secret)
            made = await profiles.update(with_it, expected_version=retired.version, actor=actor)
        await self._services.provisioning.reload_profiles()
        return made

    async def change(
        self, account: Tenant, name: str, changed: Callable[[DeviceProfile], DeviceProfile], *, actor: str
    ) -> DeviceProfile:
        """Change one, whatever somebody else changes at the same time.

        Raises: `ThingerError` (404), `InvalidValue`, `Unavailable`.
        """
        while True:
            profile = await self._stored(account, name)
            try:
                done = await self._services.profiles.update(
                    changed(profile), expected_version=profile.version, actor=actor
                )
            except VersionConflict:
                continue
            await self._services.provisioning.reload_profiles()
            return done

    async def _stored(self, account: Tenant, name: str) -> DeviceProfile:
        try:
            profile = await self._services.profiles.get(account.id, name)
        except (NotFound, InvalidValue):
            raise not_found() from None
        if kept_in(profile, self._part) is None:
            raise not_found()
        return profile

    async def delete(self, profile: DeviceProfile, account: Tenant, *, actor: str) -> None:
        """Delete one. While it has devices it stays for them, as a profile with which nobody provisions.

        Raises: `ThingerError` (404), `Unavailable`.
        """
        with contextlib.suppress(InvalidValue):
            await self._services.profiles.delete(profile, actor=actor)
            await self._services.provisioning.reload_profiles()
            return
        await self.change(account, profile.name, self._retired, actor=actor)

    def _retired(self, profile: DeviceProfile) -> DeviceProfile:
        bare = replace(
            with_strategy(profile, "disabled"),
            limits=ProfileLimits(),
            details={DIALECT: NAME, NAME: {_RETIRED: True}},
        )
        return self._services.profiles.with_secret(bare, None)


def _name(profile: DeviceProfile) -> str:
    return profile.name
