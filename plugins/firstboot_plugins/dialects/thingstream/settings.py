"""What a device profile of Thingstream says beyond an ordinary one (contract sections 3, 4)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from firstboot.model import DIALECT, DeviceProfile

NAME = "thingstream"
"""Of the dialect: in `DIALECT`, and as the member of details in which it keeps things."""
DAY_S = 86_400


class DeviceType(enum.StrEnum):
    """The service whose devices a profile is for."""

    CLOUDLOCATE = "CloudLocate"
    POINTPERFECT = "PointPerfect"
    ASSISTNOW = "AssistNow"


class Format(enum.StrEnum):
    """In which form devices of PointPerfect get corrections."""

    SPARTN = "SPARTN"
    """Over MQTT, or by satellite."""
    RTCM = "RTCM"
    """From an NTRIP server."""


class OldThing(enum.StrEnum):
    """What becomes of a Thing whose device has got another one."""

    MANUAL = "manual"
    """It stays active until somebody deactivates it."""
    ON_FIRST_CONNECT = "on_first_connect"
    """It is deactivated when the new one logs in for the first time, or after a while."""
    IMMEDIATE = "immediate"
    """It is deactivated in the moment in which the new one is made."""


class TokenState(enum.StrEnum):
    """Where a token stands."""

    ACTIVE = "active"
    RETIRING = "retiring"
    """Replaced by another, and good until its grace is over."""
    DISABLED = "disabled"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token of a profile, as it is stored: by its digest."""

    id: str
    digest: str = field(repr=False)
    """Keyed digest, in hex."""
    last4: str
    state: TokenState = TokenState.ACTIVE
    created_ms: int
    expires_ms: int | None = None
    """The last moment at which it is good; of a retiring token, too."""

    def state_at(self, now_ms: int) -> TokenState:
        """Return where it stands now: what was retiring is revoked once its time is over."""
        if self.state is TokenState.RETIRING and not self._lasts(now_ms):
            return TokenState.REVOKED
        return self.state

    def is_good(self, now_ms: int) -> bool:
        """Say whether devices may use it."""
        return self.state in (TokenState.ACTIVE, TokenState.RETIRING) and self._lasts(now_ms)

    def _lasts(self, now_ms: int) -> bool:
        return self.expires_ms is None or now_ms <= self.expires_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of a profile. All of them may be changed; Things that exist stay as they are."""

    device_type: DeviceType = DeviceType.CLOUDLOCATE
    auto_activate: bool = True
    plan: str = "default"
    tags: tuple[str, ...] = ()
    """Of every Thing, beside those that its request names."""
    hardware_code_mandatory: bool = False
    whitelisted: bool = False
    """Whether only hardware that is listed gets something (`firstboot_plugins.dialects.thingstream.whitelist`)."""
    old_thing: OldThing = OldThing.MANUAL
    grace_s: int = DAY_S
    """How long an old Thing lives whose successor does not log in (`OldThing.ON_FIRST_CONNECT`)."""
    format: Format = Format.SPARTN
    """Of PointPerfect; nothing to the others."""
    left_out: tuple[str, ...] = ()
    """Parts of the answer that devices of this profile do not get."""
    tokens: tuple[Token, ...] = ()

    def to_details(self) -> dict[str, Any]:
        """Return the details of a profile with these settings."""
        return {DIALECT: NAME, NAME: asdict(self)}


_FIELDS = frozenset(each.name for each in fields(Settings))


def settings_of(profile: DeviceProfile) -> Settings | None:
    """Return what a profile says; None for one that is not of this dialect."""
    stored = profile.details.get(NAME)
    if profile.details.get(DIALECT) != NAME or not isinstance(stored, Mapping):
        return None
    known = {name: value for name, value in stored.items() if name in _FIELDS}
    read = Settings(**{**known, "tokens": ()})
    return replace(
        read,
        device_type=DeviceType(read.device_type),
        old_thing=OldThing(read.old_thing),
        format=Format(read.format),
        tags=tuple(read.tags),
        left_out=tuple(read.left_out),
        tokens=tuple(Token(**{**each, "state": TokenState(each["state"])}) for each in known.get("tokens", ())),
    )
