"""Claiming a device, with the reason when it is refused; also for people who sign up with it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from firstboot.config import ClaimingConfig
from firstboot.errors import InvalidValue
from firstboot.model import Device, User
from firstboot.secret import Secret
from firstboot_plugins.admin.claim_refusals import held_back
from firstboot_plugins.admin.operation import PUBLIC, Call, customer_users, operation
from firstboot_plugins.admin.own.customer_devices import DeviceAnswer, answered
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Sent

TAG = "Claiming"
_MAX_SECRET = 255

Name = Annotated[str, Field(min_length=1, max_length=255)]


class Claim(Sent):
    """The device that the asker has in hand."""

    device_name: Name
    secret_key: Annotated[str, Field(max_length=_MAX_SECRET)] | None = None
    """Null: a device that was opened without a secret."""


class SignUp(Sent):
    """Somebody who has no account yet, and the first device."""

    tenant: Name | None = None
    """Null: the only tenant where people may sign up."""
    email: Name
    password: Annotated[str, Field(min_length=6, max_length=72)]
    device_name: Name
    secret_key: Annotated[str, Field(max_length=_MAX_SECRET)] | None = None


@operation(
    "POST",
    "/api/firstboot/claims",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=customer_users(),
    browser=True,
    body=Claim,
    answers=DeviceAnswer,
)
async def claim(call: Call) -> DeviceAnswer:
    """Claim a device for the asker's customer.

    The code of a refusal says why: `wrong-secret`, `expired`, `not-open`, `already-claimed`, `already-yours`,
    `unknown-device`, `locked` (with `retryAfterS`), `plugin-error` or the word of a plugin that refuses.
    """
    sent: Claim = call.body
    async with held_back(call):
        device = await call.services.claiming.claim(
            call.user, sent.device_name, Secret(sent.secret_key or ""), call.origin
        )
    return await answered(call.services, device)


@operation(
    "POST",
    "/api/firstboot/sign-up",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=PUBLIC,
    body=SignUp,
    answers=DeviceAnswer,
)
async def sign_up(call: Call) -> DeviceAnswer:
    """Make an account while claiming its first device, all of it or nothing, where the configuration allows it."""
    _, device = await new_owner(call)
    return await answered(call.services, device)


async def new_owner(call: Call) -> tuple[User, Device]:
    """Make the account that a call with a `SignUp` asks for, and give it its device.

    Raises: as `firstboot.signing_up.SigningUp.sign_up`.
    """
    sent: SignUp = call.body
    async with held_back(call):
        return await call.services.signing_up.sign_up(
            sent.tenant or _only_tenant(call),
            sent.email,
            Secret(sent.password),
            sent.device_name,
            Secret(sent.secret_key or ""),
            call.origin,
        )


def _only_tenant(call: Call) -> str:
    """Return the name of the tenant where people sign up who do not name one.

    Raises: `InvalidValue` when there are several.
    """
    open_to_all = call.services.config.section(ClaimingConfig).sign_up
    if len(open_to_all) > 1:
        raise InvalidValue("Say in which tenant.")
    return open_to_all[0] if open_to_all else "default"


OPERATIONS = (claim, sign_up)
