"""Calls with which somebody who was made a user chooses a first password (contract 5.4)."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from pydantic import Field
from starlette.responses import RedirectResponse, Response

from firstboot.model import User
from firstboot.secret import Secret
from firstboot_plugins.admin.operation import PUBLIC, Call, Operation, operation, tenant_admins
from firstboot_plugins.admin.public_url import ACTIVATE, CLAIM_PAGE, activation_link, public_url
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.shapes import Shape
from firstboot_plugins.admin.thingsboard.token_pairs import TokenPairShape, pair_shape
from firstboot_plugins.admin.thingsboard.user_access import managed_user
from firstboot_plugins.admin.thingsboard.user_shapes import ActivationLinkInfo, ActivationParameters
from firstboot_plugins.admin.thingsboard.users import TAG

_LINK = "/api/user/{userId:uuid}/activationLink"
_WRITE = "users:write"
_MAX_TOKEN = 255
# The token is not repeated: what stands in a URL may have been put there by anybody.
_EXPLANATION = """\
With this link you choose the first password of your account. Opening it has changed nothing.
A browser leads you to the page for it. Without one, start this command, paste the lines below it with the token
that stands behind activateToken= in the link and with a password of your choice, and end with Ctrl-D.

  curl -d @- {url}
  {{"activateToken": "TOKEN",
   "password": "PASSWORD"}}
"""


class ActivateBody(Shape):
    """The token of an activation link, and a password."""

    activate_token: Annotated[str, Field(max_length=_MAX_TOKEN)]
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


@operation("GET", ACTIVATE, dialect=THINGSBOARD, tag=TAG, access=PUBLIC, answers=str, media_type="text/plain")
async def explain_activation(call: Call) -> str | Response:
    """Lead a browser to the page of an activation link, and tell others what to do; nothing changes by that."""
    asks_for_page = "text/html" in call.request.headers.get("accept", "")
    if asks_for_page and call.services.plugins.is_active(CLAIM_PAGE):
        # Behind the # the token reaches no server again. Relative: to wherever the browser has come from (HT-5).
        token = quote(call.request.query_params.get("activateToken", "")[:_MAX_TOKEN], safe="")
        return RedirectResponse(f"../../claim#activate={token}", 303)
    return _EXPLANATION.format(url=f"{public_url(call.services)}{ACTIVATE}")


@operation(
    "POST",
    ACTIVATE,
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
    return activation_link(call.services, token)


OPERATIONS: tuple[Operation, ...] = (
    get_activation_link,
    get_activation_link_info,
    explain_activation,
    activate_user,
)
