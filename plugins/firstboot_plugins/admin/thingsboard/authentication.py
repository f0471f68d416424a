"""Calls about who is asking: login, refresh, logout, password (contract 5.1)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from firstboot.model import Authority
from firstboot.secret import Secret
from firstboot_plugins.admin.failures import Failure, forbidden
from firstboot_plugins.admin.operation import (
    PUBLIC,
    Call,
    Operation,
    everybody,
    operation,
    tenant_admins,
)
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.shapes import Shape
from firstboot_plugins.admin.thingsboard.token_pairs import TokenPairShape, pair_shape
from firstboot_plugins.admin.thingsboard.user_access import managed_user, shown
from firstboot_plugins.admin.thingsboard.user_shapes import UserShape

TAG = "Authentication"


class LoginBody(Shape):
    """An e-mail address and a password."""

    username: Annotated[str, Field(min_length=1)]
    password: Annotated[str, Field(min_length=1)]


class RefreshBody(Shape):
    """A refresh token that was not used before."""

    refresh_token: Annotated[str, Field(min_length=1)]


class ChangePasswordBody(Shape):
    """The password that is, and the one that shall be."""

    current_password: str
    new_password: str


def _no_login() -> Failure:
    """Return what contract RA-3 answers to a body that is no login."""
    return Failure(401, "Authentication failed", code="not-authenticated")


@operation(
    "POST",
    "/api/auth/login",
    dialect=THINGSBOARD,
    tag=TAG,
    access=PUBLIC,
    body=LoginBody,
    unreadable=_no_login,
    answers=TokenPairShape,
)
async def log_in(call: Call) -> TokenPairShape:
    """Log in with e-mail address and password."""
    sent: LoginBody = call.body
    authentication = call.services.authentication
    return pair_shape(await authentication.log_in(sent.username, Secret(sent.password), call.origin.address))


@operation(
    "POST",
    "/api/auth/token",
    dialect=THINGSBOARD,
    tag=TAG,
    access=PUBLIC,
    body=RefreshBody,
    unreadable=_no_login,
    answers=TokenPairShape,
)
async def refresh(call: Call) -> TokenPairShape:
    """Exchange a refresh token for a new pair. A refresh token that comes twice ends the session."""
    sent: RefreshBody = call.body
    authentication = call.services.authentication
    return pair_shape(await authentication.refresh(Secret(sent.refresh_token), call.origin.address))


@operation("GET", "/api/auth/user", dialect=THINGSBOARD, tag=TAG, access=everybody(), answers=UserShape)
async def get_current_user(call: Call) -> UserShape:
    """Return who is asking."""
    assert call.identity.user is not None  # API tokens may not use this call
    return (await shown(call, [call.identity.user]))[0]


@operation("POST", "/api/auth/logout", dialect=THINGSBOARD, tag=TAG, access=everybody())
async def log_out(call: Call) -> None:
    """End this login: its tokens are worth nothing from now on."""
    await call.services.authentication.log_out(call.identity, call.origin.address)


@operation(
    "POST",
    "/api/auth/changePassword",
    dialect=THINGSBOARD,
    tag=TAG,
    access=everybody(),
    body=ChangePasswordBody,
    answers=TokenPairShape,
)
async def change_password(call: Call) -> TokenPairShape:
    """Change the own password. All logins end; the answer has the tokens of a new one."""
    sent: ChangePasswordBody = call.body
    pair = await call.services.authentication.change_password(
        call.identity, Secret(sent.current_password), Secret(sent.new_password), call.origin.address
    )
    return pair_shape(pair)


@operation(
    "GET",
    "/api/user/{userId:uuid}/token",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins(None),
    answers=TokenPairShape,
)
async def get_user_token(call: Call) -> TokenPairShape:
    """Log in as a user of one of the tenant's customers. The audit log says who did."""
    user = await managed_user(call, call.path["userId"])
    if user.authority is not Authority.CUSTOMER_USER:
        raise forbidden()
    how = f"token for {call.actor}"
    return pair_shape(await call.services.authentication.open_session(user, call.origin.address, how=how))


OPERATIONS: tuple[Operation, ...] = (
    log_in,
    refresh,
    get_current_user,
    log_out,
    change_password,
    get_user_token,
)
