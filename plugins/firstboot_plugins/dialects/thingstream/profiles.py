"""Thingstream's device profiles as operators see them: device profiles that devices prove with tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from firstboot.errors import InvalidValue, NotFound, VersionConflict
from firstboot.model import DeviceProfile, ProfileLimits
from firstboot.names import clean_name
from firstboot.profiles import plain_profile
from firstboot.secret import LOWER_ALPHANUMERIC, Secret, random_text
from firstboot.storage import DeleteResource
from firstboot_plugins.dialects.thingstream import uses
from firstboot_plugins.dialects.thingstream.requests import read_tags
from firstboot_plugins.dialects.thingstream.settings import DeviceType, Settings, settings_of
from firstboot_plugins.dialects.thingstream.tokens import new_token, rotated
from firstboot_plugins.dialects.thingstream.whitelist import replace_list

if TYPE_CHECKING:
    from firstboot.core import Core

STRATEGY = "allow-create-new"
FORMER_CERTIFICATE_LIFE = timedelta(days=3650)
"""How long a Thing of PointPerfect may go on with the certificate that it had before it asked again."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DELETED = "~"
"""In the name of a profile that is kept only because it has Things."""
_MAX_PLAN_LENGTH = 64
_MAX_GRACE_S = 36_500 * 86_400


class ThingstreamProfiles:
    """What operators do with profiles. Every change is audited, and noticed by running servers."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def all(self, tenant_id: int, *, deleted: bool = False) -> list[tuple[DeviceProfile, Settings]]:
        """Return the tenant's profiles of this dialect, with what they say.

        ``deleted``: also those that are kept because they have Things.
        """
        read = [(profile, settings_of(profile)) for profile in await self._core.profiles.all(tenant_id)]
        return [
            (profile, settings)
            for profile, settings in read
            if settings is not None and (deleted or _DELETED not in profile.name)
        ]

    async def get(self, tenant_id: int, name: str) -> tuple[DeviceProfile, Settings]:
        """Return a profile by name.

        Raises: `NotFound`, also for one of another dialect.
        """
        for profile, settings in await self.all(tenant_id):
            if profile.name == name:
                return profile, settings
        raise NotFound(f"There is no Thingstream profile named {name!r}.")

    async def create(
        self,
        tenant_id: int,
        name: str,
        settings: Settings,
        *,
        title: str,
        max_things: int = 0,
        expires_ms: int | None = None,
        hardware_codes: Iterable[str] | None = None,
        actor: str,
    ) -> tuple[DeviceProfile, Secret]:
        """Make a profile with a token, which is told only now. ``max_things`` 0: no limit.

        Raises: `InvalidValue`, `AlreadyExists`.
        """
        if not _NAME.fullmatch(name):
            raise InvalidValue(
                "The name of a profile has 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first."
            )
        token, text = new_token(self._core.keyring, self._core.clock.now_ms(), expires_ms=expires_ms)
        settings = replace(_checked(settings), tokens=(token,), whitelisted=hardware_codes is not None)
        draft = replace(
            _plain(tenant_id, name, settings),
            strategy=STRATEGY,
            description=clean_name(title) if title else "",
            details=settings.to_details(),
            limits=ProfileLimits(max_devices=max_things or None),
        )
        profile = await self._core.profiles.save_new(draft, secret=None, actor=actor)
        if hardware_codes is not None:
            await replace_list(self._core, profile, hardware_codes)
        return profile, text

    async def change(
        self,
        profile: DeviceProfile,
        change: Callable[[Settings], Settings],
        *,
        title: str | None = None,
        max_things: int | None = None,
        actor: str,
        event: str = "profile-updated",
    ) -> tuple[DeviceProfile, Settings]:
        """Change what a profile says. What somebody else has changed meanwhile stays. None: stays as it is.

        Raises: `InvalidValue`, `NotFound`.
        """
        while True:
            settings = settings_of(profile)
            assert settings is not None  # profiles do not leave the dialect
            settings = _checked(change(settings))
            limits = profile.limits
            if max_things is not None:
                limits = replace(limits, max_devices=max_things or None)
            changed = replace(
                profile,
                details={**profile.details, **settings.to_details()},
                description=profile.description if title is None else clean_name(title) if title else "",
                limits=limits,
            )
            try:
                profile = await self._core.profiles.update(
                    changed, expected_version=profile.version, actor=actor, event=event
                )
            except VersionConflict:
                profile = await self._core.profiles.by_public_id(profile.tenant_id, profile.public_id)
            else:
                return profile, settings

    async def set_hardware_codes(
        self, profile: DeviceProfile, codes: Iterable[str] | None, *, actor: str
    ) -> DeviceProfile:
        """Keep a profile to these hardware codes; None: to none in particular.

        Raises: `InvalidValue`, `NotFound`.
        """
        if codes is not None:
            await replace_list(self._core, profile, codes)
        profile, _ = await self.change(
            profile, lambda settings: replace(settings, whitelisted=codes is not None), actor=actor
        )
        if codes is None:
            await replace_list(self._core, profile, ())
        return profile

    async def rotate(self, profile: DeviceProfile, *, grace_s: int, actor: str) -> tuple[DeviceProfile, Secret]:
        """Give a profile another token, which is told only now; those that were active stay good for a while.

        Raises: `InvalidValue`, `NotFound`.
        """
        if not 0 <= grace_s <= _MAX_GRACE_S:
            raise InvalidValue(f"The grace is from 0 to {_MAX_GRACE_S} seconds.")
        now_ms = self._core.clock.now_ms()
        token, text = new_token(self._core.keyring, now_ms)
        profile, _ = await self.change(
            profile,
            lambda settings: rotated(settings, token, now_ms, grace_s),
            actor=actor,
            event="profile-secret-rotated",
        )
        return profile, text

    async def delete(self, profile: DeviceProfile, *, actor: str) -> None:
        """Delete a profile with its tokens. Things that it has stay, with an ordinary profile that makes no more.

        Raises: `InvalidValue`, `NotFound`.
        """
        core = self._core
        await replace_list(core, profile, ())
        used = await core.storage.find_resource(profile.tenant_id, uses.KIND, str(profile.public_id))
        if used is not None:
            await core.commits.submit(DeleteResource(resource_id=used.id, at_ms=core.clock.now_ms()))
        if not await core.storage.count_devices(profile.id):
            await core.profiles.delete(profile, actor=actor)
            return
        profile, _ = await self.change(
            profile, lambda settings: replace(settings, tokens=(), whitelisted=False), actor=actor
        )
        # The name is free for another.
        name = f"{profile.name}{_DELETED}{random_text(6, LOWER_ALPHANUMERIC)}"
        await core.profiles.set_enabled(replace(profile, name=name), False, actor=actor)


def _plain(tenant_id: int, name: str, settings: Settings) -> DeviceProfile:
    plain = plain_profile(tenant_id, name)
    # The broker ends former certificates when the new one connects, whenever that is.
    has_certificates = settings.device_type is DeviceType.POINTPERFECT
    return replace(plain, rotation_grace=FORMER_CERTIFICATE_LIFE) if has_certificates else plain


def _checked(settings: Settings) -> Settings:
    """Return settings as they are stored.

    Raises: `InvalidValue`.
    """
    if len(settings.plan) > _MAX_PLAN_LENGTH:
        raise InvalidValue(f"The name of a plan has at most {_MAX_PLAN_LENGTH} characters.")
    if not 0 <= settings.grace_s <= _MAX_GRACE_S:
        raise InvalidValue(f"The grace is from 0 to {_MAX_GRACE_S} seconds.")
    return replace(settings, plan=clean_name(settings.plan, "plan"), tags=read_tags(settings.tags))
