"""The audit log and the changes, read from the database."""

from __future__ import annotations

from collections.abc import Sequence

from firstboot.storage import AuditQuery, AuditRow, Change, ChangeKind
from firstboot_plugins.storage_tortoise.encoding import read_audit_entry, searchable
from firstboot_plugins.storage_tortoise.paging import Conditions
from firstboot_plugins.storage_tortoise.reader import Reader
from firstboot_plugins.storage_tortoise.statements import Run


class LogReads(Reader):
    """The part of an open storage that reads logs; `firstboot.storage.Storage` says what each read answers."""

    async def list_audit(self, query: AuditQuery) -> Sequence[AuditRow]:
        """See `firstboot.storage.Storage`."""
        where = _conditions(query)
        direction = "DESC" if query.newest_first else "ASC"
        sql = f"SELECT id, entry, link FROM audit WHERE {where} ORDER BY id {direction} LIMIT ?"  # noqa: S608
        rows = await self.search(Run(sql, (*where.values, query.limit)))
        return [AuditRow(id_, read_audit_entry(entry), bytes(link)) for id_, entry, link in rows]

    async def last_change(self) -> int:
        """See `firstboot.storage.Storage`."""
        found = await self._read(lambda: self.tables.change.all().order_by("-id").first())
        return 0 if found is None else found.id

    async def changes_since(self, change_id: int) -> Sequence[Change]:
        """See `firstboot.storage.Storage`."""
        rows = await self._read(lambda: self.tables.change.filter(id__gt=change_id).order_by("id"))
        return [Change(row.id, ChangeKind(row.kind), row.ref, row.detail) for row in rows]


def _conditions(query: AuditQuery) -> Conditions:
    where = Conditions()
    where.add("id > ?", query.after_id)
    if query.before_id is not None:
        where.add("id < ?", query.before_id)
    where.equal("tenant_id", query.tenant_id)
    where.equal("event", searchable(query.event))
    where.equal("code", searchable(query.code))
    if query.refusals:
        where.add("code <> 'ok'")
    where.equal("device_id", query.device_id.hex if query.device_id else None)
    where.equal("device", searchable(query.device))
    where.equal("profile", searchable(query.profile))
    where.equal("actor", searchable(query.actor))
    if query.actor not in (None, "device"):
        where.add("actor <> 'device'")  # says the same, in the words of the index
    if query.from_ms is not None:
        where.add("at_ms >= ?", query.from_ms)
    if query.until_ms is not None:
        where.add("at_ms < ?", query.until_ms)
    return where
