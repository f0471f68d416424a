"""Strategy ``disabled``: the profile provisions nobody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from firstboot.config import Config
from firstboot.errors import ProfileNotProven
from firstboot.hookspecs import hookimpl
from firstboot.model import DeviceProfile, ProvisioningRequest
from firstboot.strategies import DeviceFinder, ProvisioningStrategy

FIRSTBOOT_API = 1


class Disabled:
    """Refuse everybody, as if the profile did not exist (ThingsBoard contract PR-6, ``DISABLED``)."""

    name = "disabled"

    def decide(
        self, name: str | None, request: ProvisioningRequest, profile: DeviceProfile, devices: DeviceFinder
    ) -> NoReturn:
        """Refuse in a way that does not tell the asker that its key and secret are right."""
        raise ProfileNotProven(f"Profile {profile.name!r} does not provision devices.", code="strategy-disabled")


@hookimpl
def firstboot_provisioning_strategies(config: Config) -> Iterable[ProvisioningStrategy]:
    """Offer `Disabled`."""
    return [Disabled()]
