"""Passwords of devices that exist: compared, and replaced (contract 4.4, 12.1)."""

from __future__ import annotations

from firstboot.app import Services
from firstboot.errors import NotFound
from firstboot.model import Device
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.credentials import account_login, opened_by


class DeviceLogins:
    """Knows what devices log in with."""

    def __init__(self, services: Services) -> None:
        self._devices = services.devices

    async def is_opened_by(self, asker: Asker, device: Device, password: str) -> bool:
        """Say whether a device of the asker's account logs in with this password.

        Raises: `Unavailable`.
        """
        try:
            current = await self._devices.credentials(device)
        except NotFound:
            return False
        return opened_by(current, asker.account.name, device.name, password)

    async def give(self, asker: Asker, device: Device, password: str) -> bool:
        """Give a device a password, and say whether it is another one than before.

        If it is, what it had opens nothing any more, and its session ends; else nothing happens.

        Raises: `NotFound`, `Unavailable`.
        """
        if await self.is_opened_by(asker, device, password):
            return False
        credentials = account_login(asker.account.id, asker.account.name, device.name, password)
        await self._devices.change_credentials(device, credentials, actor=asker.actor)
        return True
