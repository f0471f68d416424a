"""Live events: what happens in the tenant, as it happens."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from firstboot.errors import FirstbootError, InvalidValue, NotAuthenticated, TooManyRequests, Unavailable
from firstboot.identities import Identity
from firstboot.live_events import KINDS
from firstboot.model import Authority
from firstboot_plugins.admin.asking import check_access, identify
from firstboot_plugins.admin.failures import forbidden
from firstboot_plugins.admin.operation import EVENT_STREAM, Access, Call, operation
from firstboot_plugins.admin.own.event_stream import EventStream
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Asked
from firstboot_plugins.admin.waiting_requests import WaitingRequests, waiting_requests
from firstboot_plugins.transports.http.config import HttpConfig

READERS = Access(
    authorities=frozenset({Authority.SYS_ADMIN, Authority.TENANT_ADMIN}), scope="events", tenant=False
)
_ALL = frozenset(KINDS.values())
_SCOPES = {"telemetry": "telemetry:read", "attributes": "attributes:read"}
"""What an API token needs besides, to see the values themselves."""


class EventFilter(Asked):
    """Which events to send."""

    kinds: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Names of kinds with commas between them; all that the asker may see when it is left out."""


@operation(
    "GET",
    "/api/firstboot/events",
    dialect=FIRSTBOOT,
    tag="Events",
    access=READERS,
    query=EventFilter,
    answers=str,
    media_type=EVENT_STREAM,
)
async def events(call: Call) -> Response:
    """Watch live events, as server-sent events.

    Each has an `id`, its kind as `event`, and JSON as `data`. The stream has no memory: what happened while
    nobody was connected is not sent again, and `Last-Event-ID` is ignored; the audit log has it. It tells what
    happens at the server that is asked. A reader that is too slow is disconnected. A system administrator sees
    what belongs to no tenant. An API token needs `telemetry:read` and `attributes:read` for those kinds.
    """
    asked: EventFilter = call.query
    services, identity = call.services, call.identity
    kinds = _kinds(asked, identity)
    streams = sum(isinstance(each, EventStream) for each in services.sessions.of(identity.owner))
    if streams >= services.config.section(HttpConfig).max_event_streams:
        raise TooManyRequests("There are as many streams of events as one person or API token may have.")
    waiting = waiting_requests(services.sessions)
    waiting.enter(identity.owner)
    slot = object()
    subscription = services.live_events.subscribe(identity.tenant_id, kinds)
    stream = EventStream(
        subscription,
        still_allowed=lambda: _still_allowed(call),
        closed=lambda ended: _forget(call, waiting, ended, slot),
    )
    if not services.sessions.open(identity.owner, stream, judged_at=call.judged_at, slot=slot):
        subscription.close()
        waiting.leave(identity.owner)
        raise NotAuthenticated("session-ended", "Authentication failed")
    call.free_slot()
    return stream


OPERATIONS = (events,)


def _kinds(asked: EventFilter, identity: Identity) -> frozenset[str]:
    allowed = frozenset(kind for kind in _ALL if identity.may(_SCOPES.get(kind, READERS.scope or "")))
    if asked.kinds is None:
        return allowed
    wanted = frozenset(asked.kinds.split(","))
    if not wanted <= _ALL:
        raise InvalidValue(f"There are the kinds {', '.join(sorted(_ALL))}.")
    if not wanted <= allowed:
        raise forbidden()
    return wanted


def _forget(call: Call, waiting: WaitingRequests, stream: EventStream, slot: object) -> None:
    waiting.leave(call.identity.owner)
    call.services.sessions.close(call.identity.owner, stream, slot=slot)


async def _still_allowed(call: Call) -> bool:
    try:
        identity = await identify(call.request, call.services, call.origin.address)
        check_access(READERS, identity)
    except Unavailable:  # nobody can say; ended sessions are noticed when the database is back
        return True
    except FirstbootError:
        return False
    return identity.tenant_id == call.identity.tenant_id
