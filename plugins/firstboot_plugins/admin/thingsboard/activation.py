"""Calls with which somebody who was made a user chooses a first password (contract 5.4)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from firstboot.app import Services
from firstboot.model import User
from firstboot.secret import Secret
from firstboot_plugins.admin.operation import PUBLIC, Call, Operation, operation, tenant_admins
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.shapes import Shape
from firstboot_plugins.admin.thingsboard.token_pairs import TokenPairShape, pair_shape
from firstboot_plugins.admin.thingsboard.user_access import managed_user
from firstboot_plugins.admin.thingsboard.user_shapes import ActivationLinkInfo, ActivationParameters
from firstboot_plugins.admin.thingsboard.users import TAG

_LINK = "/api/user/{userId:uuid}/activationLink"
_WRITE = "users:write"


class ActivateBody(Shape):
    """The token of an activation link, and a password."""

    activate_token: Annotated[str, Field(max_length=255)]
    password: str


@operation(
    "GET", _LINK, dialect=THINGSBOARD, tag=TAG, access=tenant_admins(_WRITE), answers=str, media_type="text/plain"
)
async def get_activation_link(call: Call) -> str:
    """Return the link with which a user chooses a first password, as plain text."""
    user = await managed_user(call, call.path["userId"])
    return await _link(call, user)


@operation(
    "GET",
    f"{_LINK}Info",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins(_WRITE),
    answers=ActivationLinkInfo,
)
async def get_activation_link_info(call: Call) -> ActivationLinkInfo:
    """Return the link with which a user chooses a first password, and how long it is good."""
    user = await managed_user(call, call.path["userId"])
    link = await _link(call, user)
    user = await managed_user(call, user.public_id)  # the link may have been renewed
    return ActivationLinkInfo(
        value=link, ttl_ms=max(0, (user.activation_until_ms or 0) - call.services.clock.now_ms())
    )


@operation(
    "POST",
    "/api/noauth/activate",
    dialect=THINGSBOARD,
    tag=TAG,
    access=PUBLIC,
    query=ActivationParameters,
    body=ActivateBody,
    answers=TokenPairShape,
)
async def activate_user(call: Call) -> TokenPairShape:
    """Choose a first password with the token of an activation link, once, and log in.

    No e-mail is sent, whatever sendActivationMail says.
    """
    sent: ActivateBody = call.body
    user = await call.services.users.activate(Secret(sent.activate_token), Secret(sent.password))
    authentication = call.services.authentication
    return pair_shape(await authentication.open_session(user, call.origin.address, how="activation link"))


async def _link(call: Call, user: User) -> str:
    token = await call.services.users.activation_token(user, actor=call.actor)
    return f"{public_url(call.services)}/api/noauth/activate?activateToken={token.reveal()}"


def public_url(services: Services) -> str:
    """Return where people reach this server; never what a request says of it (threat HT-5)."""
    return f"http://{services.config.server.public_host}:{services.listeners['http'].port}"


OPERATIONS: tuple[Operation, ...] = (get_activation_link, get_activation_link_info, activate_user)
