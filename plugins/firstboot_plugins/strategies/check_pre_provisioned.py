"""Strategy ``check-pre-provisioned``: only devices that an administrator created beforehand."""

from __future__ import annotations

from collections.abc import Iterable

from firstboot.config import Config
from firstboot.errors import ProvisioningRefused
from firstboot.hookspecs import hookimpl
from firstboot.model import DeviceProfile, ProvisioningRequest
from firstboot.strategies import DeviceFinder, HandOutExisting, ProvisioningStrategy

FIRSTBOOT_API = 1


class CheckPreProvisioned:
    """Hand out the device of the wanted name (ThingsBoard contract PR-6, PR-7).

    Whether it was handed out before is not asked here: the commit knows for sure, and the profile's
    reprovision policy may allow it.
    """

    name = "check-pre-provisioned"

    async def decide(
        self, name: str | None, request: ProvisioningRequest, profile: DeviceProfile, devices: DeviceFinder
    ) -> HandOutExisting:
        """Choose the device of this name in this profile."""
        if name is None:
            raise ProvisioningRefused(
                f"The device gave no name, and profile {profile.name!r} takes only devices known by name.",
                code="not-pre-provisioned",
            )
        device = await devices.find(name)
        if device is None:
            raise ProvisioningRefused(
                f"No device named {name!r} is waiting to be provisioned. Create it first, or set the profile's "
                "strategy to allow-create-new.",
                code="not-pre-provisioned",
            )
        if device.profile_id != profile.id:
            raise ProvisioningRefused(
                f"Device {name!r} is not of profile {profile.name!r}, whose provision key was used.",
                code="not-pre-provisioned",
            )
        return HandOutExisting(device)


@hookimpl
def firstboot_provisioning_strategies(config: Config) -> Iterable[ProvisioningStrategy]:
    """Offer `CheckPreProvisioned`."""
    return [CheckPreProvisioned()]
