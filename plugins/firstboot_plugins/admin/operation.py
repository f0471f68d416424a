"""One REST call: who may use it, what it takes and answers. Routes and the OpenAPI document are made from it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from starlette.requests import Request

from firstboot.model import Authority, Origin, User
from firstboot_plugins.admin.failures import Dialect, Failure, forbidden
from firstboot_plugins.transports.http.in_flight import free_slot

if TYPE_CHECKING:
    from pydantic import BaseModel

    from firstboot.app import Services
    from firstboot.identities import Identity

PARAMETER = re.compile(r"\{([A-Za-z]+)(?::(uuid|path))?\}")
"""A parameter in a path: ``{name}`` is a text, ``{name:path}`` one with slashes, ``{name:uuid}`` a `UUID`."""

ANY_SCOPE = "*"
"""Stands for a call that every API token may use, whatever its scopes."""
EVENT_STREAM = "text/event-stream"
"""Media type of an answer that does not end by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may use a call."""

    authorities: frozenset[Authority]
    """Which people."""
    scope: str | None
    """What an API token must be allowed to (or `ANY_SCOPE`); None: API tokens may not use the call at all."""
    tenant: bool = True
    """Whether the call is about things of one tenant, so that nobody without a tenant has a use for it."""


def tenant_admins(scope: str | None) -> Access:
    """Allow administrators of a tenant, and API tokens with this scope."""
    return Access(authorities=frozenset({Authority.TENANT_ADMIN}), scope=scope)


def tenant_people(scope: str | None) -> Access:
    """Allow administrators of a tenant, users of its customers, and API tokens with this scope.

    The call sees to it that a customer's user reaches no other customer's things (`Call.customer_id`).
    """
    return Access(authorities=frozenset({Authority.TENANT_ADMIN, Authority.CUSTOMER_USER}), scope=scope)


def customer_users() -> Access:
    """Allow users of customers only: nobody buys a device for somebody else, and no API token is a customer."""
    return Access(authorities=frozenset({Authority.CUSTOMER_USER}), scope=None)


def system_admins() -> Access:
    """Allow administrators of the installation only."""
    return Access(authorities=frozenset({Authority.SYS_ADMIN}), scope=None, tenant=False)


def everybody(scope: str | None = None) -> Access:
    """Allow every person who is logged in, and API tokens with this scope."""
    return Access(authorities=frozenset(Authority), scope=scope, tenant=False)


PUBLIC: Access | None = None
"""Allow whoever can reach the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, as far as it was judged: the asker may use the call, and what was sent has its form."""

    services: Services
    request: Request
    origin: Origin
    asker: Identity | None
    """None only for calls that are `PUBLIC`."""
    judged_at: float
    """Monotonic time just before the asker was looked up; see `firstboot.sessions.Sessions.open`."""
    path: Mapping[str, Any]
    query: Any = None
    """An object of the operation's ``query`` model."""
    body: Any = None
    """An object of the operation's ``body`` model; None when the body may be left out and was."""

    @property
    def identity(self) -> Identity:
        assert self.asker is not None  # of a call that is not public
        return self.asker

    @property
    def actor(self) -> str:
        """Who does it, for the audit log."""
        return self.identity.actor

    @property
    def tenant_id(self) -> int:
        """The asker's tenant; everything that is looked up is looked up in it (threat TN-1)."""
        if self.identity.tenant_id is None:
            raise forbidden()
        return self.identity.tenant_id

    @property
    def user(self) -> User:
        """The person who asks, of a call that no API token may use."""
        assert self.identity.user is not None
        return self.identity.user

    @property
    def customer_id(self) -> int | None:
        """The only customer whose things the asker may see; None: those of the whole tenant."""
        if self.identity.authority is not Authority.CUSTOMER_USER:
            return None
        if self.identity.customer_id is None:  # an account that belongs to nobody reaches nothing
            raise forbidden()
        return self.identity.customer_id

    def free_slot(self) -> None:
        """Stop counting this request as work: from now on it only waits."""
        free_slot(self.request)


Handler = Callable[[Call], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A call, and all that there is to say about it."""

    method: str
    path: str
    """Such as ``/api/customer/{customerId:uuid}``; see `PARAMETER`."""
    dialect: Dialect
    tag: str
    access: Access | None
    """None: `PUBLIC`."""
    run: Handler
    """Returns a pydantic model, what JSON can hold, None for an empty answer, or a Starlette response."""
    query: type[BaseModel] | None = None
    body: Any = None
    """The type of the body (whatever pydantic can check); None: a body is ignored."""
    body_required: bool = True
    """Whether a missing body, or ``null``, is an error; otherwise `Call.body` is None."""
    unreadable: Callable[[], Failure] | None = None
    """Makes the failure of a body that is not as it should be, where that is not the usual one."""
    answers: Any = None
    """The type of the answer, for the OpenAPI document; None: it is empty."""
    media_type: str = "application/json"
    """Of the answer."""
    status: int = 200
    """Of the answer."""
    is_import: bool = False
    """Whether the body may be as large as an import, and be one long text."""
    browser: bool = False
    """Whether the cookie of a browser session counts (see `firstboot_plugins.admin.browser_sessions`)."""
    summary: str = ""
    description: str = ""

    @property
    def id(self) -> str:
        """A name of the call that is unique and never changes."""
        words = PARAMETER.sub(lambda match: f"by-{match[1]}", self.path).strip("/").replace("/", "-")
        return f"{self.method.lower()}-{words}"

    @property
    def parameters(self) -> Mapping[str, type]:
        """Names and types of what stands in the path."""
        return {name: UUID if kind == "uuid" else str for name, kind in PARAMETER.findall(self.path)}

    @property
    def route_path(self) -> str:
        """The path as the document has it."""
        return PARAMETER.sub(r"{\1}", self.path)

    @property
    def pattern(self) -> str:
        """The path as the router matches it."""
        return self.path.replace(":uuid}", "}")


def operation(
    method: str,
    path: str,
    *,
    dialect: Dialect,
    tag: str,
    access: Access | None,
    **more: Any,
) -> Callable[[Handler], Operation]:
    """Make an `Operation` of an async function; its docstring is what the document says about the call."""

    def make(function: Handler) -> Operation:
        first, _, rest = (function.__doc__ or "").strip().partition("\n")
        return Operation(
            method=method,
            path=path,
            dialect=dialect,
            tag=tag,
            access=access,
            run=function,
            summary=first.rstrip("."),
            description=" ".join(rest.split()),
            **more,
        )

    return make
