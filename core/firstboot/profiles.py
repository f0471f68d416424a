"""Device profiles as operators see them: made, changed, given other secrets, deleted."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from firstboot.attribute_values import check_value
from firstboot.batching import Batcher
from firstboot.clock import Clock, milliseconds, new_public_id
from firstboot.errors import (
    AlreadyExists,
    InvalidValue,
    LimitReached,
    NotFound,
    VersionConflict,
)
from firstboot.keyring import Keyring, profile_secret_place
from firstboot.model import DeviceProfile, Network
from firstboot.names import clean_name
from firstboot.profile_directory import secret_digest
from firstboot.secret import LOWER_ALPHANUMERIC, Secret, random_text
from firstboot.storage import (
    AuditEntry,
    CreateProfile,
    DeleteProfile,
    Outcome,
    Storage,
    UpdateProfile,
    Write,
    WriteResult,
)

PROVISION_KEY_LENGTH = 20
PROVISION_SECRET_LENGTH = 26
"""26 of 36 characters: 134 bits."""
MIN_CHOSEN_SECRET_LENGTH = 16
MAX_KEY_LENGTH = 255
MAX_BOUND = 2**31 - 1
"""The highest bound of a profile's limits; databases keep it."""
MAX_PROFILES = 1000
"""Device profiles of a tenant; an import makes one for each type that it names."""

DEFAULT_PROFILE = "default"
"""Name of the profile that devices get when none is named."""


PUBLIC_PROOF = frozenset({"x509-certificate-chain"})
"""Strategies whose key and secret are a certificate, which everybody may know."""


@lru_cache(maxsize=1024)
def compile_name_pattern(pattern: str) -> Any:
    """Compile a name pattern. RE2 matches in linear time, whatever the pattern (threat PV-12).

    Raises: `InvalidValue`.
    """
    import re2  # two megabytes, which a server needs whose profiles have patterns

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise InvalidValue(f"The name pattern is not a regular expression that RE2 knows: {reason}.") from None


def plain_profile(tenant_id: int, name: str) -> DeviceProfile:
    """Return the draft of a profile that provisions nobody; id and moment are given to it when it is saved."""
    return DeviceProfile(
        id=0,
        public_id=UUID(int=0),
        tenant_id=tenant_id,
        name=name,
        strategy="disabled",
        provision_key=None,
        secret_digest=None,
        secret_sealed=None,
    )


def with_strategy(profile: DeviceProfile, strategy: str) -> DeviceProfile:
    """Return the profile with another strategy; without key and secret, if it had such as everybody may know."""
    if profile.strategy in PUBLIC_PROOF and profile.strategy != strategy:
        profile = replace(
            profile,
            provision_key=None,
            secret_digest=None,
            secret_sealed=None,
            weak_secret=False,
            previous_secret_digest=None,
            previous_secret_until_ms=None,
        )
    return replace(profile, strategy=strategy)


@dataclass(frozen=True, slots=True)
class NewProfile:
    """A profile that was made, with the secret that is shown only now."""

    profile: DeviceProfile
    secret: Secret


class ProfileService:
    """What operators do with profiles. Every change is audited, and noticed by running servers."""

    def __init__(
        self,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        keyring: Keyring,
        *,
        allow_weak_secrets: bool,
        is_strategy: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._commits = commits
        self._keyring = keyring
        self._allow_weak_secrets = allow_weak_secrets
        self._is_strategy = is_strategy
        self._clock = clock

    async def all(self, tenant_id: int) -> list[DeviceProfile]:
        return [profile for profile in await self._storage.all_profiles() if profile.tenant_id == tenant_id]

    async def get(self, tenant_id: int, name: str) -> DeviceProfile:
        """Return a profile by name.

        Raises: `NotFound`.
        """
        for profile in await self.all(tenant_id):
            if profile.name == name:
                return profile
        raise NotFound(f"There is no device profile named {name!r}.")

    async def by_public_id(self, tenant_id: int, public_id: UUID) -> DeviceProfile:
        """Return a profile of this tenant.

        Raises: `NotFound`, also for a profile of another tenant.
        """
        for profile in await self.all(tenant_id):
            if profile.public_id == public_id:
                return profile
        raise NotFound(f"Device profile with id [{public_id}] is not found")

    async def named(self, tenant_id: int, name: str, *, actor: str) -> DeviceProfile:
        """Return a profile by name; one that lets no device provision itself is made when there is none.

        Raises: `InvalidValue` (`LimitReached`).
        """
        name = clean_name(name, "profile name")
        with suppress(NotFound):
            return await self.get(tenant_id, name)
        try:
            return await self.save_new(plain_profile(tenant_id, name), secret=None, actor=actor)
        except AlreadyExists:  # by somebody else, a moment ago
            return await self.get(tenant_id, name)

    async def default(self, tenant_id: int) -> DeviceProfile:
        """Return the tenant's default profile; it is made when there is none, and provisions nobody."""
        while True:
            profiles = await self.all(tenant_id)
            for profile in profiles:
                if profile.is_default:
                    return profile
            for profile in profiles:
                if profile.name == DEFAULT_PROFILE:
                    return await self.set_default(profile, actor="server")
            now_ms = self._clock.now_ms()
            made = replace(
                plain_profile(tenant_id, DEFAULT_PROFILE),
                public_id=new_public_id(now_ms),
                is_default=True,
                created_at_ms=now_ms,
            )
            audit = self._audit("profile-created", made, "server")
            result = await self._commits.submit(CreateProfile(profile=made, audit=audit))
            if result.outcome is Outcome.DONE:
                return replace(made, id=result.id)
            if result.outcome not in (Outcome.NAME_TAKEN, Outcome.DEFAULT_TAKEN):  # else: somebody was faster
                _raise_unless_done(result, made)

    async def set_default(self, profile: DeviceProfile, *, actor: str) -> DeviceProfile:
        """Make a profile the default one of its tenant, in place of the one that is.

        Raises: `NotFound`.
        """
        while True:
            changed = []
            for other in await self.all(profile.tenant_id):
                if other.is_default and other.id != profile.id:
                    changed.append(replace(other, is_default=False))
            profile = await self.by_public_id(profile.tenant_id, profile.public_id)
            changed.append(replace(profile, is_default=True))
            # Submitted together, so that they are in one transaction; and none in place of a newer one.
            written = [
                self._commits.submit(
                    UpdateProfile(
                        profile=each,
                        expected_version=each.version,
                        audit=self._audit("profile-default-changed", each, actor),
                    )
                )
                for each in changed
            ]
            results = await asyncio.gather(*written)
            if any(result.outcome in (Outcome.STALE, Outcome.DEFAULT_TAKEN) for result in results):
                continue  # somebody has changed one of them since it was read
            _raise_unless_done(results[-1], profile)
            return replace(changed[-1], version=results[-1].version)

    async def create(
        self, draft: DeviceProfile, *, key: str | None, secret: Secret | None, actor: str
    ) -> NewProfile:
        """Make a profile from ``draft``, whose id, key and secret fields are ignored; draw what is not given.

        Raises: `InvalidValue`, `AlreadyExists`.
        """
        if key is None:
            key = random_key()
        if secret is None:
            secret = random_secret()
        profile = await self.save_new(replace(draft, provision_key=key), secret=secret, actor=actor)
        return NewProfile(profile, secret)

    async def save_new(self, draft: DeviceProfile, *, secret: Secret | None, actor: str) -> DeviceProfile:
        """Make a profile from ``draft``, whose id and secret fields are ignored; draw nothing.

        A profile without key or secret proves nobody.

        Raises: `InvalidValue`, `AlreadyExists`.
        """
        now_ms = self._clock.now_ms()
        profile = replace(
            draft,
            public_id=new_public_id(now_ms),
            name=clean_name(draft.name, "profile name"),
            created_at_ms=now_ms,
        )
        profile = self.with_secret(profile, secret)
        self._check(profile)
        if len(await self.all(profile.tenant_id)) >= MAX_PROFILES:
            raise LimitReached(f"A tenant has at most {MAX_PROFILES} device profiles.")
        result = await self._commits.submit(
            CreateProfile(profile=profile, audit=self._audit("profile-created", profile, actor))
        )
        _raise_unless_done(result, profile)
        return replace(profile, id=result.id)

    async def update(
        self,
        profile: DeviceProfile,
        *,
        expected_version: int | None = None,
        actor: str,
        event: str = "profile-updated",
    ) -> DeviceProfile:
        """Replace a profile's settings. ``expected_version`` None: whatever it is.

        Raises: `InvalidValue`, `AlreadyExists`, `NotFound`, `VersionConflict`.
        """
        profile = replace(profile, name=clean_name(profile.name, "profile name"))
        self._check(profile)
        write = UpdateProfile(
            profile=profile, expected_version=expected_version, audit=self._audit(event, profile, actor)
        )
        result = await self._commits.submit(write)
        _raise_unless_done(result, profile)
        return replace(profile, version=result.version)

    async def set_enabled(self, profile: DeviceProfile, enabled: bool, *, actor: str) -> DeviceProfile:
        """Let the devices of a profile provision themselves, or not.

        Raises: `NotFound`, `VersionConflict`.
        """
        return await self.update(
            replace(profile, enabled=enabled),
            expected_version=profile.version,
            actor=actor,
            event="profile-enabled" if enabled else "profile-disabled",
        )

    async def rotate_secret(
        self, profile: DeviceProfile, *, grace: timedelta, secret: Secret | None, actor: str
    ) -> NewProfile:
        """Give a profile another secret, and a key if it has none; the old secret stays valid for ``grace``.

        What somebody else has changed since the profile was read stays.

        Raises: `InvalidValue`, `NotFound`.
        """
        until_ms = self._clock.now_ms() + milliseconds(grace)
        if secret is None:
            secret = random_secret()
        while True:
            kept = replace(
                profile,
                provision_key=profile.provision_key or random_key(),
                previous_secret_digest=profile.secret_digest if grace else None,
                previous_secret_until_ms=until_ms if grace else None,
            )
            try:
                rotated = await self.update(
                    self.with_secret(kept, secret),
                    expected_version=profile.version,
                    actor=actor,
                    event="profile-secret-rotated",
                )
            except VersionConflict:
                profile = await self.by_public_id(profile.tenant_id, profile.public_id)
            else:
                return NewProfile(rotated, secret)

    async def delete(self, profile: DeviceProfile, *, actor: str) -> None:
        """Delete a profile without devices.

        Raises: `InvalidValue` when it has some or is the default one, `NotFound`.
        """
        if profile.is_default:
            raise InvalidValue("Deletion of Default Device Profile is prohibited!")
        result = await self._commits.submit(
            DeleteProfile(profile_id=profile.id, audit=self._audit("profile-deleted", profile, actor))
        )
        _raise_unless_done(result, profile)

    def reveal_secret(self, profile: DeviceProfile) -> Secret | None:
        """Return the provision secret, which the contract lets administrators read back."""
        if profile.secret_sealed is None:
            return None
        return Secret(self._keyring.unseal(profile.secret_sealed, profile_secret_place(profile.public_id.bytes)))

    def with_secret(self, profile: DeviceProfile, secret: Secret | None) -> DeviceProfile:
        """Return the profile with this secret, or with none; nothing is written yet.

        Raises: `InvalidValue` for one that is shorter than the configuration allows.
        """
        if secret is None:
            return replace(profile, secret_digest=None, secret_sealed=None, weak_secret=False)
        weak = len(secret) < MIN_CHOSEN_SECRET_LENGTH
        if weak and (not self._allow_weak_secrets or not secret):
            raise InvalidValue(
                f"A provision secret needs at least {MIN_CHOSEN_SECRET_LENGTH} characters, "
                "unless allow_weak_secrets is set in [provisioning]."
            )
        sealed = self._keyring.seal(secret.reveal(), profile_secret_place(profile.public_id.bytes))
        digest = secret_digest(self._keyring, secret)
        return replace(profile, secret_digest=digest, secret_sealed=sealed, weak_secret=weak)

    def _check(self, profile: DeviceProfile) -> None:
        if not self._is_strategy(profile.strategy):
            raise InvalidValue(f"No plugin offers the provisioning strategy {profile.strategy!r}.")
        if profile.provision_key is not None:
            _check_key(profile.provision_key)
        # Every server keeps all profiles in memory.
        check_value(dict(profile.details), "details")
        check_value(profile.description, "description")
        limits = profile.limits
        if limits.name_pattern is not None:
            compile_name_pattern(limits.name_pattern)
        for name, bound in (("max_devices", limits.max_devices), ("max_per_minute", limits.max_per_minute)):
            if bound is not None and not 1 <= bound <= MAX_BOUND:
                raise InvalidValue(f"{name} must be from 1 to {MAX_BOUND}; leave it out for no bound.")

    def _audit(self, event: str, profile: DeviceProfile, actor: str) -> AuditEntry:
        return AuditEntry(
            at_ms=self._clock.now_ms(), event=event, tenant_id=profile.tenant_id, profile=profile.name, actor=actor
        )


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read networks such as ``192.0.2.0/24``.

    Raises: `InvalidValue`.
    """
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise InvalidValue(f"Not a network: {error}. Write one such as 192.0.2.0/24.") from None


def random_key() -> str:
    """Draw a provision key."""
    return random_text(PROVISION_KEY_LENGTH, LOWER_ALPHANUMERIC)


def random_secret() -> Secret:
    """Draw a provision secret."""
    return Secret(random_text(PROVISION_SECRET_LENGTH, LOWER_ALPHANUMERIC))


def _check_key(key: str) -> None:
    if not key.isprintable() or not 0 < len(key) <= MAX_KEY_LENGTH or key != key.strip():
        raise InvalidValue(
            f"A provision key has 1 to {MAX_KEY_LENGTH} printable characters, no space at its ends."
        )


def _raise_unless_done(result: WriteResult, profile: DeviceProfile) -> None:
    if result.outcome is Outcome.NAME_TAKEN:
        raise AlreadyExists("Device profile with such name already exists!")
    if result.outcome is Outcome.KEY_TAKEN:
        raise AlreadyExists("Device profile with such provision device key already exists!")
    if result.outcome is Outcome.DEFAULT_TAKEN:
        raise AlreadyExists("Another default device profile is present in scope of current tenant!")
    if result.outcome is Outcome.STALE:
        raise VersionConflict("Somebody else has changed the device profile since it was read.")
    if result.outcome is Outcome.IN_USE:
        raise InvalidValue("The device profile referenced by the devices cannot be deleted!")
    if result.outcome is not Outcome.DONE:
        raise NotFound(f"There is no device profile named {profile.name!r}.")
