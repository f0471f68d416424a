"""A new Thing as its profile and its device have it, and the request that makes it (contract sections 3, 8)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from firstboot.model import DeviceDetails, Origin, ProvisioningRequest, WantedCredentials
from firstboot.secret import Secret
from firstboot_plugins.dialects.thingstream.requests import Wish
from firstboot_plugins.dialects.thingstream.settings import NAME, Settings
from firstboot_plugins.dialects.thingstream.things import ThingState
from firstboot_plugins.dialects.thingstream.tokens import Proven

_NO_SECRET = Secret("")


def first_state(settings: Settings) -> ThingState:
    """Return the state in which Things of a profile are made."""
    return ThingState.ACTIVE if settings.auto_activate else ThingState.ALLOCATED


def new_thing(wish: Wish, proven: Proven, public_id: UUID, now_ms: int, **kept: Any) -> DeviceDetails:
    """Return the Thing with this id; ``kept``: what is kept with it beside what all have."""
    settings = proven.settings
    return DeviceDetails(
        public_id=public_id,
        # The end of the id, because ids of one minute begin alike.
        label=wish.given_name or f"Thing {str(public_id)[-8:]}",
        enabled=settings.auto_activate,
        details={
            NAME: {
                "state": first_state(settings).value,
                "activated": now_ms if settings.auto_activate else None,
                "plan": settings.plan,
                "tags": list(dict.fromkeys((*settings.tags, *wish.tags))),
                "token": proven.token.last4,
                **kept,
            }
        },
    )


def request_of(
    wish: Wish, origin: Origin, wanted: WantedCredentials, *, name: str | None, draft: DeviceDetails | None
) -> ProvisioningRequest:
    """Return what provisioning is asked; with neither name nor draft it gives a device that exists."""
    said = {"givenName": wish.given_name, "hardwareId": wish.hardware_id, "tags": ",".join(wish.tags)}
    return ProvisioningRequest(
        key="",
        secret=_NO_SECRET,
        device_name=name,
        wanted=wanted,
        facts={key: value for key, value in said.items() if value},
        hardware_id=wish.hardware_id,
        draft=draft,
        origin=origin,
    )
