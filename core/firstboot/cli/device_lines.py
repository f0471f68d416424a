"""What ``firstboot quickstart`` prints while it runs: a line for everything that a device does."""

from __future__ import annotations

import time

import typer

from firstboot.events import (
    Claim,
    ClaimWindowOpened,
    DeviceConnected,
    DeviceDisconnected,
    DeviceProvisioned,
    ProvisioningRefusal,
)
from firstboot.hookspecs import API_VERSION, hookimpl
from firstboot.moments import moment_text


class DevicePrinter:
    """Observes, and prints what the running server sees."""

    FIRSTBOOT_API = API_VERSION

    @hookimpl
    async def firstboot_device_provisioned(self, event: DeviceProvisioned) -> None:
        _line(
            "+", event.device.name, f"provisioned over {event.origin.transport}, {event.credentials_type}", "green"
        )

    @hookimpl
    async def firstboot_provisioning_refused(self, event: ProvisioningRefusal) -> None:
        _line("!", event.device_name or "(no name)", f"refused: {event.code}. {event.reason}", "red")

    @hookimpl
    async def firstboot_device_connected(self, event: DeviceConnected) -> None:
        _line(">", event.device.name, f"connected over {event.origin.transport}", "green")

    @hookimpl
    async def firstboot_device_disconnected(self, event: DeviceDisconnected) -> None:
        why = "" if event.reason == "disconnected" else f": {event.reason}"
        _line("<", event.device.name, f"disconnected{why}", "yellow")

    @hookimpl
    async def firstboot_claim_window_opened(self, event: ClaimWindowOpened) -> None:
        opened_by = "" if event.opened_by == "device" else f", opened by its {event.opened_by}"
        _line("?", event.device.name, f"may be claimed until {moment_text(event.until_ms)}{opened_by}", "green")

    @hookimpl
    async def firstboot_device_claimed(self, event: Claim) -> None:
        _line("*", event.device.name, f"belongs to {_plain(event.customer)} ({event.how})", "green")

    @hookimpl
    async def firstboot_device_released(self, event: Claim) -> None:
        _line("-", event.device.name, f"does not belong to {_plain(event.customer)} any more", "yellow")


def _line(mark: str, device: str, what: str, colour: str) -> None:
    typer.secho(f"{time.strftime('%H:%M:%S')} {mark} {_plain(device)}  {what}", fg=colour)


def _plain(name: str) -> str:
    return name if name.isprintable() else ascii(name)[1:-1]
