"""Telling a profile which certificates prove its devices, and how long those are good that the server issues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from firstboot.errors import InvalidValue
from firstboot.model import DeviceProfile
from firstboot.profiles import ProfileService, compile_name_pattern
from firstboot.secret import Secret
from firstboot_plugins.credentials.lookup_ids import chain_hash, normalise_chain
from firstboot_plugins.strategies import certificate_options as options
from firstboot_plugins.strategies.authority_proof import counted

MAX_AUTHORITY_LENGTH = 16_384
MAX_DAYS = 3650
_AS_CONFIGURED = "as-configured"
"""Stands for a setting that is taken away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSettings:
    """What to change of a profile; None leaves a setting as it is."""

    authority: str | None = None
    """Certificate (PEM) that vouches for the devices; the profile's strategy becomes that of certificates."""
    counts: bool = False
    """Whether the authority counts from now on: this one, or without one that which the profile has."""
    pattern: str | None = None
    allow_create: bool | None = None
    lax: bool | None = None
    life_days: int | None = None
    """0: as the configuration says."""
    renewal_days: int | None = None
    """0: as the configuration says."""


def applied(settings: CertificateSettings, profile: DeviceProfile, profiles: ProfileService) -> DeviceProfile:
    """Return the profile as it shall be; nothing is written yet.

    Raises: `InvalidValue`.
    """
    if settings.authority is not None:
        _check_authority(settings.authority)
        profile = replace(profile, strategy=options.STRATEGY, provision_key=chain_hash(settings.authority))
        profile = profiles.with_secret(profile, Secret(normalise_chain(settings.authority)))
    authority = profiles.reveal_secret(profile)
    if settings.counts and authority is not None and profile.strategy == options.STRATEGY:
        profile = counted(profile, authority.reveal())
    if settings.pattern is not None and compile_name_pattern(settings.pattern).groups < 1:
        raise InvalidValue("The pattern needs a group, such as (.*)[.]example[.]com: it is the device's name.")
    validation = None if settings.lax is None else options.LAX if settings.lax else options.STRICT
    changed: Mapping[str, Any] = {
        options.PATTERN: settings.pattern,
        options.ALLOW_CREATE: settings.allow_create,
        options.VALIDATION: validation,
        options.LIFE_DAYS: _days(settings.life_days),
        options.RENEWAL_DAYS: _days(settings.renewal_days),
    }
    details = {**profile.details, **{name: value for name, value in changed.items() if value is not None}}
    return replace(profile, details={name: value for name, value in details.items() if value != _AS_CONFIGURED})


def _days(days: int | None) -> int | str | None:
    if days is None:
        return None
    if not 0 <= days <= MAX_DAYS:
        raise InvalidValue(f"Give 1 to {MAX_DAYS} days, or 0 for what the configuration says.")
    return days or _AS_CONFIGURED


def _check_authority(text: str) -> None:
    from firstboot_plugins.strategies.certificate_paths import NotTrusted, read_authority

    der = options.authority_der(text) if len(text) <= MAX_AUTHORITY_LENGTH else None
    try:
        if der is None:
            raise NotTrusted("no certificate")
        read_authority(der)
    except NotTrusted:
        raise InvalidValue("The authority's certificate cannot be read. Give one in PEM.") from None
