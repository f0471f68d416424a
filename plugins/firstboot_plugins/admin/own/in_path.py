"""What the path of a call is about, in the asker's tenant (threat TN-1)."""

from __future__ import annotations

from firstboot.model import Device, DeviceProfile
from firstboot_plugins.admin.operation import Call


async def device_in_path(call: Call) -> Device:
    """Return the device that ``deviceId`` stands for.

    Raises: `NotFound`, also for a device of another tenant.
    """
    return await call.services.devices.by_public_id(call.tenant_id, call.path["deviceId"])


async def profile_in_path(call: Call) -> DeviceProfile:
    """Return the device profile that ``profileId`` stands for.

    Raises: `NotFound`, also for a profile of another tenant.
    """
    return await call.services.profiles.by_public_id(call.tenant_id, call.path["profileId"])
