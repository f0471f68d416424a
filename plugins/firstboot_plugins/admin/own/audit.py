"""The audit log, and the part of it that answers "why does my device not come up?"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import Field

from firstboot.model import Authority
from firstboot.storage import AuditQuery, AuditRow
from firstboot_plugins.admin.operation import Access, Call, operation
from firstboot_plugins.admin.own.cursors import MAX_CURSOR_LENGTH, make_cursor, read_cursor
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Asked, Told

TAG = "Audit"
READERS = Access(
    authorities=frozenset({Authority.SYS_ADMIN, Authority.TENANT_ADMIN}), scope="audit:read", tenant=False
)
_LIST = "audit"
_MAX_MOMENT_MS = 2**53

Name = Annotated[str, Field(min_length=1, max_length=255)]
Moment = Annotated[int, Field(ge=0, le=_MAX_MOMENT_MS)]


class EntryTold(Told):
    """One decision or change."""

    at_ms: int
    event: str
    code: str
    """`ok`, or why it was refused."""
    profile: str | None
    device: str | None
    device_id: UUID | None
    actor: str
    address: str
    transport: str
    dialect: str
    detail: str


class EntryList(Told):
    """Entries, the newest first."""

    entries: Sequence[EntryTold]
    cursor: str | None
    """Ask again with it for older ones; null: there are none."""


class RefusalFilter(Asked):
    """Which refusals to list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, Field(max_length=MAX_CURSOR_LENGTH)] | None = None
    code: Name | None = None
    profile: Name | None = None
    """Name of the profile."""
    device: Name | None = None
    """Name of the device."""
    from_ms: Moment | None = None
    until_ms: Moment | None = None
    """Before this moment."""


class EntryFilter(RefusalFilter):
    """Which entries to list."""

    event: Name | None = None
    device_id: UUID | None = None
    actor: Name | None = None


@operation(
    "GET",
    "/api/firstboot/refusals",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=READERS,
    query=RefusalFilter,
    answers=EntryList,
)
async def refusals(call: Call) -> EntryList:
    """List devices that were refused, and why, the newest first."""
    asked: RefusalFilter = call.query
    return await _entries(call, asked, event="provisioning-refused")


@operation(
    "GET",
    "/api/firstboot/audit",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=READERS,
    query=EntryFilter,
    answers=EntryList,
)
async def audit(call: Call) -> EntryList:
    """List decisions and changes, the newest first: those of the tenant, or of all for a system administrator."""
    asked: EntryFilter = call.query
    return await _entries(call, asked, event=asked.event, device_id=asked.device_id, actor=asked.actor)


OPERATIONS = (refusals, audit)


async def _entries(
    call: Call,
    asked: RefusalFilter,
    *,
    event: str | None,
    device_id: UUID | None = None,
    actor: str | None = None,
) -> EntryList:
    keyring = call.services.core.keyring
    rows = await call.services.storage.list_audit(
        AuditQuery(
            # A system administrator has no tenant, and sees also what belongs to none.
            tenant_id=call.identity.tenant_id,
            before_id=None if asked.cursor is None else read_cursor(keyring, _LIST, asked.cursor),
            limit=asked.limit,
            newest_first=True,
            event=event,
            code=asked.code,
            device_id=device_id,
            device=asked.device,
            profile=asked.profile,
            actor=actor,
            from_ms=asked.from_ms,
            until_ms=asked.until_ms,
        )
    )
    more = len(rows) == asked.limit
    cursor = make_cursor(keyring, _LIST, rows[-1].id) if more else None
    return EntryList(entries=[_told(row) for row in rows], cursor=cursor)


def _told(row: AuditRow) -> EntryTold:
    entry = row.entry
    return EntryTold(
        at_ms=entry.at_ms,
        event=entry.event,
        code=entry.code,
        profile=entry.profile,
        device=entry.device,
        device_id=entry.device_id,
        actor=entry.actor,
        address=entry.address,
        transport=entry.transport,
        dialect=entry.dialect,
        detail=entry.detail,
    )
