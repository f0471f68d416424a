"""Strategy ``acme-serial-list``: a device is named by its serial number, and the number must be on the list."""

from __future__ import annotations

from collections.abc import Iterable

from firstboot.errors import ProvisioningRefused
from firstboot.model import DeviceProfile, ProvisioningRequest
from firstboot.strategies import CreateNew, DeviceFinder
from firstboot_acme.serials import checked_serial


class SerialList:
    """Makes a device for each serial number that ACME has sold."""

    name = "acme-serial-list"

    def __init__(self, serials: Iterable[str]) -> None:
        self._serials = frozenset(serials)

    def decide(
        self, name: str | None, request: ProvisioningRequest, profile: DeviceProfile, devices: DeviceFinder
    ) -> CreateNew:
        """Ask for a new device; that the number was not used before is the server's concern.

        This answers at once. A strategy that has to ask a database is ``async def`` and awaits it.
        """
        if name is None:
            raise ProvisioningRefused("The device gave no serial number as its name.", code="acme-no-serial")
        try:
            serial = checked_serial(name)
        except ValueError as error:
            raise ProvisioningRefused(f"{name!r}: {error}.", code="acme-bad-serial") from None
        if serial not in self._serials:
            raise ProvisioningRefused(
                f"{serial} is not on the list. Add it to serials in section [acme].", code="acme-unknown-serial"
            )
        return CreateNew(serial)
