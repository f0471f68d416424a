"""Strategy ``pool``: whoever proves the profile gets one of the devices that were prepared for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from firstboot.config import Config
from firstboot.errors import InvalidValue, ProvisioningRefused
from firstboot.hookspecs import hookimpl
from firstboot.model import DeviceProfile, ProvisioningRequest
from firstboot.pools import check_hardware_id
from firstboot.strategies import DeviceFinder, ProvisioningStrategy, TakeFromPool
from firstboot_plugins.strategies.pool_options import STRATEGY, OnEmpty, PoolOptions

if TYPE_CHECKING:
    import typer

FIRSTBOOT_API = 1


class Pool:
    """Give each hardware a device of the profile's pool, as its options say (`PoolOptions`).

    A hardware is known by the id that its dialect has for that; where there is none, as in ThingsBoard's requests,
    by the device name that it says.
    """

    name = STRATEGY

    def __init__(self) -> None:
        self._read: dict[int, tuple[Mapping[str, Any], PoolOptions]] = {}
        """Options by profile, beside what they were read from: a list of hardware may be long."""

    def decide(
        self, name: str | None, request: ProvisioningRequest, profile: DeviceProfile, devices: DeviceFinder
    ) -> TakeFromPool:
        """Say what the hardware is to be given; whether a member is ready, the commit knows."""
        options = self._options(profile)
        hardware_id = _hardware_id(name, request, profile)
        if options.hardware_ids is not None and hardware_id not in options.hardware_ids:
            raise ProvisioningRefused(
                f"The hardware {hardware_id!r} is not on the list of pool {profile.name!r}.",
                code="hardware-not-allowed",
            )
        pattern = options.id_pattern if options.on_empty is OnEmpty.CREATE else None
        return TakeFromPool(
            hardware_id=hardware_id,
            order=options.picks,
            rebind=options.rebind,
            lease=options.lease,
            new_name=None if pattern is None else partial(pattern.name, hardware_id=hardware_id),
        )

    def _options(self, profile: DeviceProfile) -> PoolOptions:
        read = self._read.get(profile.id)
        if read is None or read[0] is not profile.details:
            try:
                read = self._read[profile.id] = profile.details, PoolOptions.of(profile)
            except InvalidValue as error:
                raise ProvisioningRefused(
                    f"The pool of profile {profile.name!r} is not set up: {error}", code="plugin-error"
                ) from None
        return read[1]


def _hardware_id(name: str | None, request: ProvisioningRequest, profile: DeviceProfile) -> str:
    said = name if request.hardware_id is None else request.hardware_id
    if said is None:
        raise ProvisioningRefused(
            f"Profile {profile.name!r} gives devices to hardware, and this one has not said which it is.",
            code="no-hardware-id",
        )
    try:
        return check_hardware_id(said)
    except InvalidValue as error:
        raise ProvisioningRefused(str(error), code="no-hardware-id") from None


@hookimpl
def firstboot_provisioning_strategies(config: Config) -> Iterable[ProvisioningStrategy]:
    """Offer `Pool`."""
    return [Pool()]


@hookimpl
def firstboot_cli_commands() -> Mapping[str, typer.Typer]:
    """Offer ``firstboot pool``."""
    from firstboot_plugins.strategies.pool_command import app

    return {"pool": app}
