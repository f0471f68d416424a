"""Verifying the audit chain, page by page (SE-7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from firstboot import audit
from firstboot.audit import Verified, verify_audit
from firstboot.keyring import Keyring
from firstboot.storage import AppendAudit, AuditEntry, AuditQuery, AuditRow
from firstboot.testing.memory import MemoryStorage

Tampering = Callable[[list[AuditRow]], list[AuditRow]]


class Log(MemoryStorage):
    """A storage whose rows somebody may have changed afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.tampering: Tampering = list

    async def list_audit(self, query: AuditQuery) -> Sequence[AuditRow]:
        everything = list(await super().list_audit(AuditQuery(limit=10_000)))
        rows = [row for row in self.tampering(everything) if row.id > query.after_id]
        return rows[: query.limit]


@pytest.fixture
def keyring() -> Keyring:
    return Keyring.generate()


@pytest.fixture
async def log(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(audit, "PAGE", 3)
    storage = Log()
    entries = [AuditEntry(at_ms=number, event="device-created", device=f"m-{number}") for number in range(8)]
    await storage.write([AppendAudit(entry) for entry in entries], keyring.link)
    return storage


async def test_a_log_nobody_touched_is_whole(log: Log, keyring: Keyring) -> None:
    assert await verify_audit(log, keyring) == Verified(8, None)


async def test_an_empty_log_is_whole(keyring: Keyring) -> None:
    assert await verify_audit(MemoryStorage(), keyring) == Verified(0, None)


@pytest.mark.parametrize("at", range(8))
async def test_a_changed_row_is_found(log: Log, keyring: Keyring, at: int) -> None:
    log.tampering = lambda rows: [
        replace(row, entry=replace(row.entry, device="other")) if index == at else row
        for index, row in enumerate(rows)
    ]
    first_id = (await log.list_audit(AuditQuery()))[0].id

    assert await verify_audit(log, keyring) == Verified(at, first_id + at)


@pytest.mark.parametrize("at", range(7))
async def test_a_removed_row_is_found_at_the_next_one(log: Log, keyring: Keyring, at: int) -> None:
    log.tampering = lambda rows: rows[:at] + rows[at + 1 :]

    verified = await verify_audit(log, keyring)

    assert verified.rows == at
    assert verified.broken_at is not None


@pytest.mark.parametrize("at", range(1, 8))
async def test_rows_in_another_order_are_found(log: Log, keyring: Keyring, at: int) -> None:
    def swap(rows: list[AuditRow]) -> list[AuditRow]:
        rows[at - 1], rows[at] = replace(rows[at], id=rows[at - 1].id), replace(rows[at - 1], id=rows[at].id)
        return rows

    log.tampering = swap

    assert (await verify_audit(log, keyring)).rows == at - 1


async def test_a_row_made_with_another_key_is_found(log: Log, keyring: Keyring) -> None:
    def insert(rows: list[AuditRow]) -> list[AuditRow]:
        entry = AuditEntry(at_ms=9, event="device-created")
        link = Keyring.generate().link(rows[-1].link, entry.canonical())
        return [*rows, AuditRow(rows[-1].id + 1, entry, link)]

    log.tampering = insert

    assert (await verify_audit(log, keyring)).rows == 8
    assert (await verify_audit(log, keyring)).broken_at is not None
