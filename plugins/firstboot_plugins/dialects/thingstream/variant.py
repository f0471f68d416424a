"""What a service of Thingstream must do to answer requests for credentials, and what all of them check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from firstboot.app import Services
from firstboot.errors import ProvisioningRefused
from firstboot.model import Origin
from firstboot_plugins.dialects.thingstream.settings import DeviceType
from firstboot_plugins.dialects.thingstream.tokens import Proven
from firstboot_plugins.dialects.thingstream.whitelist import is_listed


class Variant(Protocol):
    """One service, at ``/ztp/<name>/credentials``."""

    device_type: DeviceType
    """Of the profiles whose tokens it takes."""

    def read(self, body: dict[str, Any]) -> Any:
        """Return what a body says beside the token, for `answer`.

        Raises: `firstboot_plugins.dialects.thingstream.errors.ZtpError`.
        """
        ...

    async def answer(self, wish: Any, proven: Proven, payload: bytes, origin: Origin) -> Mapping[str, Any]:
        """Decide on a request whose token is proven; return the body of the answer.

        ``payload``: the body of the request as it arrived, for whoever has to know it again.
        Raises: `ZtpError`; `firstboot.errors.Refused`, reported already; `firstboot.errors.Unavailable`.
        """
        ...


async def check_hardware(services: Services, hardware_id: str | None, proven: Proven, origin: Origin) -> None:
    """Refuse hardware that the profile does not take.

    Raises: `ProvisioningRefused` (``no-hardware-id``, ``hardware-not-allowed``), reported already.
    """
    profile, settings = proven.profile, proven.settings
    try:
        if hardware_id is None:
            if settings.hardware_code_mandatory or settings.whitelisted:
                raise ProvisioningRefused(
                    f"Profile {profile.name!r} wants a hardware code.", code="no-hardware-id"
                )
        elif settings.whitelisted and not await is_listed(services.storage, profile, hardware_id):
            raise ProvisioningRefused(
                f"The hardware code {hardware_id!r} is not on the list of profile {profile.name!r}.",
                code="hardware-not-allowed",
            )
    except ProvisioningRefused as refusal:
        await services.provisioning.report_refusal(refusal, origin, profile=profile)
        raise
