"""For which devices that exist a gateway may speak.

ThingsBoard lets every gateway speak for every device of its tenant (contract GW-3). A gateway may have made itself
one when it was provisioned, so whoever has read a provision key could then speak for devices that are not his:
report for them, open them for claiming and own them (threats PV-4, MQ-8).
"""

from __future__ import annotations

from firstboot.errors import NotAllowed
from firstboot.model import Device

WAITING = "waiting"
"""`Device.state` of a device that has never spoken for itself."""


def check_enabled(device: Device) -> None:
    """Refuse to speak for a device that was switched off.

    Raises: `NotAllowed`.
    """
    if not device.enabled:
        raise NotAllowed(f"Device {device.name!r} was switched off.")


def check_may_take(
    take: str, gateway: Device, device: Device, former: Device | None, *, for_sale: bool = False
) -> None:
    """Refuse to put a device behind a gateway.

    ``take``: as in `ThingsBoardConfig.gateways_take`; ``former``: the gateway behind which the device is now;
    ``for_sale``: whether an administrator has opened the device for claiming. A gateway that opens it too, with a
    secret of its own, would lock out whoever buys the device with the secret on its label (threat CM-2).

    Raises: `NotAllowed`, with what to do.
    """
    if device.id == gateway.id or device.is_gateway:
        raise NotAllowed(f"Device {device.name!r} is a gateway: no other speaks for it.")
    if take == "any" or (take == "fleet" and not for_sale and _is_of_fleet(gateway, device, former)):
        return
    why = _whose(device, former, for_sale)
    raise NotAllowed(
        f"Gateway {gateway.name!r} may not speak for device {device.name!r}, which {why}. "
        "Give both to the same customer, delete the former gateway, or see gateways_take in [thingsboard]."
    )


def _is_of_fleet(gateway: Device, device: Device, former: Device | None) -> bool:
    if former is None:
        return device.state == WAITING and device.customer_id == gateway.customer_id
    # A device that a customer owns may go to any gateway of that customer; others stay in one fleet.
    if device.customer_id is not None and device.customer_id == gateway.customer_id:
        return True
    return are_one_fleet(gateway, former)


def are_one_fleet(gateway: Device, other: Device) -> bool:
    """Say whether two gateways are of one kind and one owner, so that devices go from one to the other."""
    return gateway.profile_id == other.profile_id and gateway.customer_id == other.customer_id


def _whose(device: Device, former: Device | None, for_sale: bool) -> str:
    if for_sale:
        return "an administrator has opened for claiming"
    if former is not None:
        return f"is behind gateway {former.name!r}"
    return "belongs to somebody else" if device.state == WAITING else "speaks for itself"
