"""Storage suite: the audit log is filtered."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from firstboot.storage import AppendAudit, AuditEntry, AuditQuery
from firstboot.testing.samples import NOW_MS
from firstboot.testing.storage_base import StorageSuite, World

METER = UUID(int=7)
ODD = "'\"%_ Größe \N{GRINNING FACE}"


def entry(number: int, event: str, **fields: Any) -> AuditEntry:
    """Return an entry that is known by its number."""
    return AuditEntry(at_ms=NOW_MS + number, event=event, detail=str(number), **fields)


# Each is known by its place.
LOG = (
    entry(0, "device-provisioned", tenant_id=1, profile="sensor", device="meter-7", device_id=METER),
    entry(1, "provisioning-refused", code="name-taken", tenant_id=1, profile="sensor", device="meter-7"),
    entry(2, "provisioning-refused", code="unknown-key"),
    entry(3, "device-updated", tenant_id=1, device="meter-7", device_id=METER, actor="user:ada@example.org"),
    entry(4, "device-updated", tenant_id=2, device="meter-7", device_id=UUID(int=8), actor="user:eve@example.org"),
    entry(5, "provisioning-refused", code="name-taken", tenant_id=2, profile="pump", device="METER-7"),
    entry(6, "profile-created", tenant_id=1, profile=ODD, actor=ODD, device=ODD),
    entry(7, "profile-created", tenant_id=1, profile="\0", actor="\ud800", device="\0\ud800"),
)


FILTERS: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "01234567"),
    ({"newest_first": True}, "76543210"),
    ({"limit": 2}, "01"),
    ({"limit": 2, "newest_first": True}, "76"),
    ({"tenant_id": 1}, "01367"),
    ({"tenant_id": 2}, "45"),
    ({"tenant_id": 3}, ""),
    ({"event": "device-updated"}, "34"),
    ({"event": "device"}, ""),
    ({"code": "name-taken"}, "15"),
    ({"code": "ok"}, "03467"),
    ({"refusals": True}, "125"),
    ({"refusals": True, "tenant_id": 1}, "1"),
    ({"refusals": True, "code": "ok"}, ""),
    ({"device_id": METER}, "03"),
    ({"device_id": METER, "tenant_id": 1}, "03"),
    ({"device_id": METER, "tenant_id": 2}, ""),
    ({"device_id": UUID(int=9), "tenant_id": 1}, ""),
    ({"device": "meter-7"}, "0134"),
    ({"device": "meter"}, ""),
    ({"device": ODD}, "6"),
    ({"device": "\0\ud800"}, "7"),
    ({"profile": "sensor"}, "01"),
    ({"profile": ODD}, "6"),
    ({"profile": "\0"}, "7"),
    ({"actor": "device"}, "0125"),
    ({"actor": "user:ada@example.org"}, "3"),
    ({"actor": "user:ada@example.org", "tenant_id": 1}, "3"),
    ({"actor": "user:ada@example.org", "tenant_id": 2}, ""),
    ({"actor": "\ud800"}, "7"),
    ({"from_ms": NOW_MS + 2, "until_ms": NOW_MS + 5}, "234"),
    ({"from_ms": NOW_MS + 6}, "67"),
    ({"until_ms": NOW_MS + 1}, "0"),
    ({"tenant_id": 1, "device": "meter-7", "event": "device-updated", "from_ms": NOW_MS}, "3"),
)


class AuditTests(StorageSuite):
    """What an `AuditQuery` asks for."""

    async def test_the_audit_log_is_filtered(self, world: World) -> None:
        before = (await world.audit())[-1].id
        await world.do(*map(AppendAudit, LOG))

        for asked, found in FILTERS:
            rows = await world.storage.list_audit(AuditQuery(after_id=before, **asked))
            assert (asked, [row.entry for row in rows]) == (asked, [LOG[int(number)] for number in found])

    async def test_the_audit_log_is_read_backwards_page_by_page(self, world: World) -> None:
        await world.do(*map(AppendAudit, LOG))
        whole = [row.id for row in await world.audit()][::-1]

        read: list[int] = []
        for _ in range(3):
            page = await world.storage.list_audit(
                AuditQuery(before_id=read[-1] if read else None, limit=4, newest_first=True)
            )
            read += [row.id for row in page]

        assert read == whole
