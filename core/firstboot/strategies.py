"""Provisioning strategies: whether a request may have a device, and which."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias

from firstboot.model import Credentials, Device, DeviceProfile, ProvisioningRequest
from firstboot.storage import PoolOrder, Rebind


@dataclass(frozen=True, slots=True)
class CreateNew:
    """Make a new device. A name that is taken refuses the request; the strategy need not look."""

    name: str | None
    """None: the server draws a random name."""


@dataclass(frozen=True, slots=True)
class HandOutExisting:
    """Give the device that exists the credentials that it has, if it was not given them before."""

    device: Device


@dataclass(frozen=True, slots=True)
class GiveNew:
    """Give the device that exists the credentials of the request, in place of those that it has.

    For a strategy to which the device proves each time that it is the same one. `PROVISION_STATE` is not asked.
    """

    device: Device
    judge: Callable[[Credentials], None]
    """Called with what the device has; raises `ProvisioningRefused` when that may not be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFromPool:
    """Give the hardware that asks a prepared device of the profile's pool, with credentials of its own.

    It gets the one that it holds, one that is reserved for it, or one that is ready.
    """

    hardware_id: str
    order: PoolOrder = PoolOrder.FIFO
    rebind: Rebind = Rebind.UNTIL_CONFIRMED
    lease: timedelta | None = None
    """How long a device is held that never logs in; None: for ever."""
    new_name: Callable[[int], str] | None = None
    """Makes the name of a new member when none is ready, from its number; None: the hardware is refused."""


Decision: TypeAlias = CreateNew | HandOutExisting | GiveNew | TakeFromPool


class DeviceFinder(Protocol):
    """The devices of the profile's tenant, as far as a strategy may see them."""

    async def find(self, name: str) -> Device | None:
        """Return the device of this name, of whatever profile, or None."""
        ...


class ProvisioningStrategy(Protocol):
    """Decides on requests whose profile is proven and whose limits allow them.

    `decide` may return the decision or an awaitable of it. What it returns at once must not block; what it
    awaits is cut off after the plugin's time-out, and the request refused.
    """

    name: str
    """Such as ``allow-create-new``; profiles name it."""

    def decide(
        self, name: str | None, request: ProvisioningRequest, profile: DeviceProfile, devices: DeviceFinder
    ) -> Decision | Awaitable[Decision]:
        """Decide which device the asker gets.

        ``name`` is the cleaned device name, None when the device gave none.

        Raises: `ProvisioningRefused` with a code; `ProfileNotProven` when the device shall not even learn
        that its key and secret are right.
        """
        ...
