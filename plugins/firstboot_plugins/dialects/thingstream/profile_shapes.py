"""Profiles and tokens as operators see and send them (contract section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from firstboot.errors import InvalidValue
from firstboot.model import DeviceProfile
from firstboot.profiles import MAX_BOUND
from firstboot.secret import Secret
from firstboot_plugins.admin.own.shapes import WHOLE, Sent, Told
from firstboot_plugins.dialects.thingstream.cloudlocate import PARTS
from firstboot_plugins.dialects.thingstream.http import path_of
from firstboot_plugins.dialects.thingstream.settings import DeviceType, Format, OldThing, Settings, Token

if TYPE_CHECKING:
    from firstboot.clock import Clock

MAX_MOMENT_MS = 253_402_300_799_999  # the year 9999
MAX_CODES = 9_000
MaxThings = Annotated[int, Field(ge=0, le=MAX_BOUND), WHOLE]
Moment = Annotated[int, Field(ge=0, le=MAX_MOMENT_MS), WHOLE]
GraceSeconds = Annotated[int, Field(ge=0, le=36_500 * 86_400), WHOLE]
HardwareCodes = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=MAX_CODES)]
Old = Literal["manual", "on_first_connect", "immediate"]
Tags = Annotated[list[str], Field(max_length=50)]


class RenewalShape(Sent):
    """What becomes of the Thing that a device had when it gets another one."""

    old_thing: Old = "manual"
    grace_seconds: GraceSeconds = 86_400
    """How long an old Thing lives whose successor does not log in (`on_first_connect`)."""


class AnswerShape(Sent):
    """Which parts a device is told beside client id, host, user name and password."""

    aliases: bool = True
    """`username` and `hostname`."""
    broker_port: bool = True
    supports_mqtt: bool = True
    subscriptions: bool = True


class ProfileOptions(Sent):
    """The options of a profile. What is left out of a change stays as it is."""

    name: Annotated[str, Field(max_length=255)] | None = None
    """For people only."""
    auto_activate: bool | None = None
    """Whether a new Thing may log in at once."""
    plan: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    tags: Tags | None = None
    """Of every new Thing, beside those of its request."""
    format: Format | None = Field(default=None, strict=False)
    """Of PointPerfect: how its devices get corrections."""
    hardware_code_mandatory: bool | None = None
    hardware_codes: HardwareCodes | None = None
    """The only hardware that gets something; null: any."""
    renewal: RenewalShape | None = None
    max_things: MaxThings | None = None
    """0: no limit."""
    answer: AnswerShape | None = None


class NewProfile(ProfileOptions):
    """A profile to make."""

    profile: Annotated[str, Field(min_length=1, max_length=64)]
    """Its name in paths: letters, digits, `.`, `_` and `-`."""
    device_type: DeviceType = Field(default=DeviceType.CLOUDLOCATE, strict=False)
    expires: Moment | None = None
    """Moment (ms, UTC) after which its first token is not good any more; null: none."""


class ProfileChange(ProfileOptions):
    """What to change. What only the server sets may be sent back as it was read; it is not looked at."""

    profile: Any = None
    device_type: Any = None
    tokens: Any = None
    things: Any = None
    url: Any = None


class Codes(Sent):
    """The hardware codes of a profile."""

    hardware_codes: HardwareCodes | None
    """Null: any hardware."""


class TokenTold(Told):
    """A token. Its text is told once: when it is made."""

    id: str
    """Stands for it in paths."""
    token: str
    state: Literal["active", "retiring", "disabled", "revoked"]
    created: int
    expires: int | None
    """The last moment (ms, UTC) at which it is good."""
    uses: int


class ProfileTold(Told):
    """A profile with its tokens."""

    profile: str
    name: str
    device_type: DeviceType
    auto_activate: bool
    plan: str
    tags: Sequence[str]
    format: Format | None
    """Null: it is not for PointPerfect."""
    hardware_code_mandatory: bool
    hardware_codes: Sequence[str] | None
    renewal: RenewalShape
    max_things: int
    answer: AnswerShape
    things: int
    url: str
    """Where its devices ask."""
    tokens: Sequence[TokenTold]


def token_told(token: Token, uses: Mapping[str, int], clock: Clock, text: Secret | None = None) -> TokenTold:
    """Return a token without its text, or with it when it was made just now."""
    return TokenTold(
        id=token.id,
        token=text.reveal() if text is not None else f"********-****-****-****-********{token.last4}",
        state=token.state_at(clock.now_ms()).value,
        created=token.created_ms,
        expires=token.expires_ms,
        uses=uses.get(token.id, 0),
    )


def profile_told(
    profile: DeviceProfile,
    settings: Settings,
    *,
    codes: Sequence[str] | None,
    things: int,
    uses: Mapping[str, int],
    base_url: str,
    clock: Clock,
    text: Secret | None = None,
) -> ProfileTold:
    """Return a profile; ``text`` is that of its newest token, if that was made just now."""
    left_out = settings.left_out
    told = [token_told(token, uses, clock) for token in settings.tokens[:-1]]
    told += [token_told(token, uses, clock, text) for token in settings.tokens[-1:]]
    return ProfileTold(
        profile=profile.name,
        name=profile.description,
        device_type=settings.device_type,
        auto_activate=settings.auto_activate,
        plan=settings.plan,
        tags=settings.tags,
        format=settings.format if settings.device_type is DeviceType.POINTPERFECT else None,
        hardware_code_mandatory=settings.hardware_code_mandatory,
        hardware_codes=codes,
        renewal=RenewalShape.model_validate(
            {"oldThing": settings.old_thing.value, "graceSeconds": settings.grace_s}
        ),
        max_things=profile.limits.max_devices or 0,
        answer=AnswerShape.model_validate({part: part not in left_out for part in PARTS}),
        things=things,
        url=base_url + path_of(settings.device_type.value.lower()),
        tokens=told,
    )


def applied(sent: ProfileOptions, settings: Settings) -> Settings:
    """Return settings with what was sent.

    Raises: `InvalidValue`.
    """
    changes: dict[str, Any] = {
        name: value
        for name in ("auto_activate", "plan", "format", "hardware_code_mandatory")
        if (value := getattr(sent, name)) is not None
    }
    if sent.tags is not None:
        changes["tags"] = tuple(sent.tags)
    if sent.renewal is not None:
        changes |= {"old_thing": OldThing(sent.renewal.old_thing), "grace_s": sent.renewal.grace_seconds}
    if sent.answer is not None:
        given = sent.answer.model_dump(by_alias=True)
        changes["left_out"] = tuple(part for part in PARTS if not given[part])
    return replace(settings, **changes)


def check_device_type(sent: ProfileChange, settings: Settings) -> None:
    """Refuse another service: the tokens of a profile are known to devices of one.

    Raises: `InvalidValue`.
    """
    if sent.device_type not in (None, settings.device_type.value):
        raise InvalidValue(f"The profile is for {settings.device_type.value}; make another one.")
