"""Calls with which the claim page opens, looks up and ends the session of a browser."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_core import to_json
from starlette.responses import Response

from firstboot.access_tokens import TokenPair
from firstboot.errors import NotAuthenticated
from firstboot.identities import Identity
from firstboot.model import Authority, User
from firstboot.secret import Secret
from firstboot_plugins.admin.browser_sessions import check_own_page, csrf_token
from firstboot_plugins.admin.failures import Failure
from firstboot_plugins.admin.operation import PUBLIC, Call, Operation, customer_users, operation
from firstboot_plugins.admin.own.claims import SignUp, new_owner
from firstboot_plugins.admin.own.customer_devices import CustomerDevice, answered
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Sent, Told
from firstboot_plugins.admin.public_url import public_url
from firstboot_plugins.claim_page.cookies import give_cookie, take_cookie

TAG = "Claim page"
SESSION = "/claim/session"


class LogIn(Sent):
    """An e-mail address and a password."""

    email: Annotated[str, Field(min_length=1, max_length=255)]
    password: Annotated[str, Field(min_length=1, max_length=255)]


class Activation(Sent):
    """The token of an activation link, and a password that somebody has chosen."""

    token: Annotated[str, Field(min_length=1, max_length=255)]
    password: Annotated[str, Field(max_length=255)]


class Session(Told):
    """Who is logged in."""

    email: str
    csrf: str | None
    """Has to come with each call that may change something; null: nobody was logged in."""
    device: CustomerDevice | None = None
    """The device with which the account was made."""


@operation("POST", SESSION, dialect=FIRSTBOOT, tag=TAG, access=PUBLIC, body=LogIn, answers=Session)
async def log_in(call: Call) -> Response:
    """Log a customer's user in and give the browser a cookie."""
    _check_page(call)
    sent: LogIn = call.body
    pair = await call.services.authentication.log_in(sent.email, Secret(sent.password), call.origin.address)
    identity = await _identity(call, pair)
    if identity.authority is not Authority.CUSTOMER_USER:
        # A cookie of an administrator would open more than this page needs.
        await call.services.authentication.log_out(identity, call.origin.address)
        raise Failure(403, "This page is for customers.", code="not-a-customer")
    return _opened(call, pair, identity)


@operation("GET", SESSION, dialect=FIRSTBOOT, tag=TAG, access=customer_users(), browser=True, answers=Session)
async def get_session(call: Call) -> Session:
    """Return who is logged in."""
    return _told(call, call.identity)


@operation("DELETE", SESSION, dialect=FIRSTBOOT, tag=TAG, access=customer_users(), browser=True, status=204)
async def log_out(call: Call) -> Response:
    """End the session, and let the browser forget it."""
    await call.services.authentication.log_out(call.identity, call.origin.address)
    response = Response(status_code=204)
    take_cookie(call, response)
    return response


@operation(
    "POST", "/claim/activation", dialect=FIRSTBOOT, tag=TAG, access=PUBLIC, body=Activation, answers=Session
)
async def activate(call: Call) -> Response | Session:
    """Choose a first password with the token of an activation link, once, and log in."""
    _check_page(call)
    sent: Activation = call.body
    user = await call.services.users.activate(Secret(sent.token), Secret(sent.password))
    if user.authority is not Authority.CUSTOMER_USER:
        return Session(email=user.email, csrf=None)
    return await _open(call, user, how="activation link")


@operation("POST", "/claim/sign-up", dialect=FIRSTBOOT, tag=TAG, access=PUBLIC, body=SignUp, answers=Session)
async def sign_up(call: Call) -> Response | Session:
    """Make an account while claiming its first device, and log in."""
    _check_page(call)
    user, device = await new_owner(call)
    told = (await answered(call.services, device)).device
    try:
        return await _open(call, user, how="sign-up", device=told)
    except NotAuthenticated:  # disabled in this moment; the account and the device are there all the same
        return Session(email=user.email, csrf=None, device=told)


def _check_page(call: Call) -> None:
    """Let no other site's page log somebody in, under a name that is not his."""
    check_own_page(call.request, public_url(call.services))


async def _open(call: Call, user: User, *, how: str, device: CustomerDevice | None = None) -> Response:
    pair = await call.services.authentication.open_session(user, call.origin.address, how=how)
    return _opened(call, pair, await _identity(call, pair), device)


async def _identity(call: Call, pair: TokenPair) -> Identity:
    return await call.services.authentication.identify(pair.token, call.origin.address)


def _opened(call: Call, pair: TokenPair, identity: Identity, device: CustomerDevice | None = None) -> Response:
    body = to_json(_told(call, identity, device), by_alias=True)
    response = Response(body, media_type="application/json")
    give_cookie(call, response, pair.token)
    return response


def _told(call: Call, identity: Identity, device: CustomerDevice | None = None) -> Session:
    assert identity.user is not None  # no API token has a session
    token = csrf_token(call.services.core.keyring, identity)
    return Session(email=identity.user.email, csrf=token.reveal(), device=device)


OPERATIONS: tuple[Operation, ...] = (log_in, get_session, log_out, activate, sign_up)
