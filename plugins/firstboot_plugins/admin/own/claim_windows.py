"""Claim windows as administrators open, see and close them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from firstboot.model import ClaimWindow
from firstboot.secret import Secret
from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.own.in_path import device_in_path
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import WHOLE, Sent, Told

TAG = "Claiming"
_PATH = "/api/firstboot/devices/{deviceId:uuid}/claim-windows"
_MAX_MOMENT_MS = 2**53 - 1


class ClaimWindowTold(Told):
    """Permission to claim a device until a moment. Nobody is told its secret."""

    opened_by: Literal["device", "administrator", "owner"]
    opened_at_ms: int
    expires_at_ms: int
    """The last moment at which it is open."""
    open: bool
    """Whether the right secret opens it now."""
    weak: bool
    """Whether the secret can be found by trying."""


class ClaimWindows(Told):
    """The claim windows of a device: one of each who can open it, at most."""

    windows: Sequence[ClaimWindowTold]


class NewWindow(Sent):
    """How to open a claim window."""

    secret_key: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Null: the server makes one."""
    until_ms: Annotated[int, Field(ge=0, le=_MAX_MOMENT_MS), WHOLE] | None = None
    """The last moment at which it is open; null: in a year."""


class OpenedWindow(Told):
    """With what the device can be claimed. It is shown once."""

    secret_key: str
    until_ms: int


@operation("GET", _PATH, dialect=FIRSTBOOT, tag=TAG, access=tenant_admins("devices:read"), answers=ClaimWindows)
async def list_claim_windows(call: Call) -> ClaimWindows:
    """Show who has opened a device for claiming, and until when."""
    windows = await call.services.claim_windows.list(await device_in_path(call))
    now_ms = call.services.claim_windows.now_ms()
    return ClaimWindows(windows=[_told(window, now_ms) for window in windows])


@operation(
    "PUT",
    _PATH,
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("devices:write"),
    body=NewWindow,
    body_required=False,
    answers=OpenedWindow,
)
async def open_claim_window(call: Call) -> OpenedWindow:
    """Open a device for claiming, in place of what an administrator has opened before; shows the secret once."""
    sent: NewWindow = call.body or NewWindow()
    opened = await call.services.claim_windows.open_by_administrator(
        await device_in_path(call),
        secret=None if sent.secret_key is None else Secret(sent.secret_key),
        until_ms=sent.until_ms,
        actor=call.actor,
    )
    return OpenedWindow(secret_key=opened.secret.reveal(), until_ms=opened.until_ms)


@operation("DELETE", _PATH, dialect=FIRSTBOOT, tag=TAG, access=tenant_admins("devices:write"), status=204)
async def close_claim_windows(call: Call) -> None:
    """Let nobody claim a device until it is opened again, whoever has opened it."""
    await call.services.claim_windows.close(await device_in_path(call), actor=call.actor)


def _told(window: ClaimWindow, now_ms: int) -> ClaimWindowTold:
    return ClaimWindowTold(
        opened_by=window.opened_by.value,
        opened_at_ms=window.opened_at_ms,
        expires_at_ms=window.expires_at_ms,
        open=window.secret_digest is not None and now_ms <= window.expires_at_ms,
        weak=window.weak,
    )


OPERATIONS = (list_claim_windows, open_claim_window, close_claim_windows)
