"""What a profile has beyond ThingsBoard's: policy of reprovisioning, limits, and a new secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from firstboot.errors import VersionConflict
from firstboot.model import DeviceProfile, ProfileLimits, ReprovisionPolicy
from firstboot.profiles import MAX_BOUND, parse_networks, with_strategy
from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.own.in_path import profile_in_path
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import WHOLE, Sent, Told

TAG = "Profiles"
_PATH = "/api/firstboot/profiles/{profileId:uuid}"
_MAX_MOMENT_MS = 253_402_300_799_999  # the year 9999
_MAX_DURATION_MS = 36_500 * 86_400_000
_MAX_NETWORKS = 100

Policy = Literal["reject", "retry", "rotate"]
DurationMs = Annotated[int, Field(ge=0, le=_MAX_DURATION_MS), WHOLE]
Bound = Annotated[int, Field(ge=1, le=MAX_BOUND), WHOLE]
Text = Annotated[str, Field(min_length=1, max_length=255)]


class LimitsTold(Told):
    """Bounds of a profile; null: none."""

    expires_at_ms: int | None
    max_devices: int | None
    max_per_minute: int | None
    name_pattern: str | None
    allowed_networks: Sequence[str]


class ProfileTold(Told):
    """A device profile, and how its devices provision themselves."""

    id: UUID
    name: str
    strategy: str
    enabled: bool
    provision_key: str | None
    weak_secret: bool
    previous_secret_until_ms: int | None
    reprovision: Policy
    retry_window_ms: int
    rotation_grace_ms: int
    claim_with_gateway: bool
    """Whether devices behind a gateway of this profile get the owner that the gateway gets."""
    release_by_device: bool
    """Whether a device may take itself from its owner."""
    limits: LimitsTold
    device_count: int
    version: int


class ProfileRow(Told):
    """A device profile in the list of all."""

    id: UUID
    name: str
    strategy: str
    enabled: bool


class Profiles(Told):
    """All device profiles of the tenant, in the order in which they were made."""

    items: Sequence[ProfileRow]


class LimitsSent(Sent):
    """Bounds to change; null takes one away, and one that is left out stays as it is."""

    expires_at_ms: Annotated[int, Field(ge=0, le=_MAX_MOMENT_MS), WHOLE] | None = None
    max_devices: Bound | None = None
    max_per_minute: Bound | None = None
    name_pattern: Text | None = None
    allowed_networks: Annotated[list[Text], Field(max_length=_MAX_NETWORKS)] | None = None


class ProfileChange(Sent):
    """What to change; what is left out stays as it is."""

    version: Annotated[int, Field(ge=1, le=MAX_BOUND), WHOLE] | None = None
    """Refused with 409 when the profile has another version by now."""
    strategy: Text | None = None
    enabled: bool | None = None
    reprovision: Policy | None = None
    retry_window_ms: DurationMs | None = None
    rotation_grace_ms: DurationMs | None = None
    claim_with_gateway: bool | None = None
    release_by_device: bool | None = None
    limits: LimitsSent | None = None


class Rotation(Sent):
    """How to change the provision secret."""

    grace_ms: DurationMs = 0
    """How long the old one stays valid beside the new one."""


class NewSecret(Told):
    """A provision secret, shown this once."""

    provision_key: str | None
    provision_secret: str
    previous_secret_until_ms: int | None


@operation(
    "GET",
    "/api/firstboot/profiles",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("profiles:read"),
    answers=Profiles,
)
async def list_all(call: Call) -> Profiles:
    """List the tenant's profiles."""
    found = await call.services.profiles.all(call.tenant_id)
    return Profiles(
        items=[
            ProfileRow(id=each.public_id, name=each.name, strategy=each.strategy, enabled=each.enabled)
            for each in found
        ]
    )


@operation("GET", _PATH, dialect=FIRSTBOOT, tag=TAG, access=tenant_admins("profiles:read"), answers=ProfileTold)
async def show(call: Call) -> ProfileTold:
    """Show a profile's policy and limits, without its secret."""
    return await _told(call, await profile_in_path(call))


@operation(
    "PATCH",
    _PATH,
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("profiles:write"),
    body=ProfileChange,
    answers=ProfileTold,
)
async def change(call: Call) -> ProfileTold:
    """Change a profile's policy and limits."""
    sent: ProfileChange = call.body
    while True:
        profile = await profile_in_path(call)
        # Also for who sends no version: a secret that is rotated meanwhile must not come back.
        version = profile.version if sent.version is None else sent.version
        try:
            profile = await call.services.profiles.update(
                _changed(profile, sent), expected_version=version, actor=call.actor
            )
        except VersionConflict:
            if sent.version is not None:
                raise
        else:
            return await _told(call, profile)


@operation(
    "POST",
    f"{_PATH}/rotate-secret",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("profiles:write"),
    body=Rotation,
    body_required=False,
    answers=NewSecret,
)
async def rotate_secret(call: Call) -> NewSecret:
    """Give a profile another provision secret, which is shown this once."""
    sent: Rotation = call.body or Rotation()
    made = await call.services.profiles.rotate_secret(
        await profile_in_path(call), grace=timedelta(milliseconds=sent.grace_ms), secret=None, actor=call.actor
    )
    return NewSecret(
        provision_key=made.profile.provision_key,
        provision_secret=made.secret.reveal(),
        previous_secret_until_ms=made.profile.previous_secret_until_ms,
    )


OPERATIONS = (list_all, show, change, rotate_secret)


def _changed(profile: DeviceProfile, sent: ProfileChange) -> DeviceProfile:
    if sent.strategy is not None:
        profile = with_strategy(profile, sent.strategy)
    if sent.enabled is not None:
        profile = replace(profile, enabled=sent.enabled)
    if sent.reprovision is not None:
        profile = replace(profile, reprovision=ReprovisionPolicy(sent.reprovision))
    if sent.retry_window_ms is not None:
        profile = replace(profile, retry_window=timedelta(milliseconds=sent.retry_window_ms))
    if sent.rotation_grace_ms is not None:
        profile = replace(profile, rotation_grace=timedelta(milliseconds=sent.rotation_grace_ms))
    if sent.claim_with_gateway is not None:
        profile = replace(profile, claim_with_gateway=sent.claim_with_gateway)
    if sent.release_by_device is not None:
        profile = replace(profile, release_by_device=sent.release_by_device)
    if sent.limits is not None:
        profile = replace(profile, limits=_changed_limits(profile.limits, sent.limits))
    return profile


def _changed_limits(limits: ProfileLimits, sent: LimitsSent) -> ProfileLimits:
    values = {name: getattr(sent, name) for name in sent.model_fields_set}
    if "allowed_networks" in values:
        values["allowed_networks"] = parse_networks(values["allowed_networks"] or ())
    return replace(limits, **values)


async def _told(call: Call, profile: DeviceProfile) -> ProfileTold:
    limits = profile.limits
    return ProfileTold(
        id=profile.public_id,
        name=profile.name,
        strategy=profile.strategy,
        enabled=profile.enabled,
        provision_key=profile.provision_key,
        weak_secret=profile.weak_secret,
        previous_secret_until_ms=profile.previous_secret_until_ms,
        reprovision=profile.reprovision.value,
        retry_window_ms=profile.retry_window // timedelta(milliseconds=1),
        rotation_grace_ms=profile.rotation_grace // timedelta(milliseconds=1),
        claim_with_gateway=profile.claim_with_gateway,
        release_by_device=profile.release_by_device,
        limits=LimitsTold(
            expires_at_ms=limits.expires_at_ms,
            max_devices=limits.max_devices,
            max_per_minute=limits.max_per_minute,
            name_pattern=limits.name_pattern,
            allowed_networks=[str(network) for network in limits.allowed_networks],
        ),
        device_count=await call.services.storage.count_devices(profile.id),
        version=profile.version,
    )
