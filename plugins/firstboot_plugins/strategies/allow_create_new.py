"""Strategy ``allow-create-new``: whoever proves the profile gets a new device."""

from __future__ import annotations

from collections.abc import Iterable

from firstboot.config import Config
from firstboot.hookspecs import hookimpl
from firstboot.model import DeviceProfile, ProvisioningRequest
from firstboot.strategies import CreateNew, DeviceFinder, ProvisioningStrategy

FIRSTBOOT_API = 1


class AllowCreateNew:
    """Make a new device for each request (ThingsBoard contract PR-6, ``ALLOW_CREATE_NEW_DEVICES``)."""

    name = "allow-create-new"

    def decide(
        self, name: str | None, request: ProvisioningRequest, profile: DeviceProfile, devices: DeviceFinder
    ) -> CreateNew:
        """Ask for a new device, and do not look whether the name is free.

        Of many that ask for one name at the same time all would see it free; the storage's unique index
        decides instead, and is asked anyway.
        """
        return CreateNew(name)


@hookimpl
def firstboot_provisioning_strategies(config: Config) -> Iterable[ProvisioningStrategy]:
    """Offer `AllowCreateNew`."""
    return [AllowCreateNew()]
