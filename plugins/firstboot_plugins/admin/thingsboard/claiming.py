"""ThingsBoard's calls with which customers claim devices and give them back (contract 4.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import ConfigDict
from starlette.responses import JSONResponse, Response

from firstboot.errors import ClaimRefused, InvalidValue, NotFound
from firstboot.secret import Secret
from firstboot_plugins.admin.claim_refusals import held_back
from firstboot_plugins.admin.failures import ErrorForm
from firstboot_plugins.admin.operation import Call, customer_users, operation, tenant_people
from firstboot_plugins.admin.thingsboard.device_access import device_by_name
from firstboot_plugins.admin.thingsboard.device_shapes import DeviceShape
from firstboot_plugins.admin.thingsboard.devices import shown
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.shapes import Shape

TAG = "Claiming"
_PATH = "/api/customer/device/{deviceName:path}/claim"
_NOT_FOUND = "Requested item wasn't found!"
_ERROR = {"oneOf": [THINGSBOARD.errors["application/json"].schema, {"enum": ["CLAIMED", "FAILURE"]}]}
_DIALECT = replace(THINGSBOARD, errors={"application/json": ErrorForm("ThingsBoardClaimError", _ERROR)})
"""Some refusals are no error objects."""


class ClaimBody(Shape):
    """The secret of a device; nothing, null and an empty text are the same."""

    # A number is a text here as it is in what devices send.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    secret_key: str | None = None


class ClaimAnswer(Shape):
    """A device that is the customer's from now on."""

    device: DeviceShape
    response: Literal["SUCCESS"] = "SUCCESS"


@operation(
    "POST",
    _PATH,
    dialect=_DIALECT,
    tag=TAG,
    access=customer_users(),
    body=ClaimBody,
    body_required=False,
    answers=ClaimAnswer,
)
async def claim_device(call: Call) -> object:
    """Claim a device for the asker's customer.

    Who is refused gets status 400 with the text "CLAIMED" or "FAILURE"; `POST /api/firstboot/claims` says why.
    """
    sent: ClaimBody | None = call.body
    secret = Secret((sent.secret_key if sent else None) or "")
    name = _name(call)
    try:
        async with held_back(call):
            device = await call.services.claiming.claim(call.user, name, secret, call.origin)
    except ClaimRefused as refusal:
        return _refused(refusal)
    return ClaimAnswer(device=await shown(call, device))


@operation("DELETE", _PATH, dialect=THINGSBOARD, tag=TAG, access=tenant_people("devices:write"))
async def reclaim_device(call: Call) -> None:
    """Take a device from its customer; users of a customer give back those of their own only."""
    name = _name(call)
    releasing = call.services.releasing
    if call.customer_id is None:
        device = await device_by_name(call, name)
        await releasing.release_as_administrator(device, actor=call.actor, origin=call.origin)
        return
    try:
        await releasing.release(call.user, name, call.origin)
    except NotFound:  # also of a device that is another's (threat CM-6)
        raise NotFound(_NOT_FOUND) from None


def _refused(refusal: ClaimRefused) -> Response:
    match refusal.code:
        case "unknown-device":
            raise NotFound(_NOT_FOUND) from None
        case "locked":
            raise refusal
        case "already-claimed" | "already-yours":
            return JSONResponse("CLAIMED", 400)
        case _:
            return JSONResponse("FAILURE", 400)


def _name(call: Call) -> str:
    name: str = call.path["deviceName"]
    if not name.strip():
        raise InvalidValue("Parameter 'deviceName' can't be empty!")
    return name


OPERATIONS = (claim_device, reclaim_device)
