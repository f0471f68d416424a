"""The one algorithm that does a batch of writes inside a transaction, for both kinds of database."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import groupby

from firstboot.storage import AuditChain, AuditEntry, Outcome, Write, WriteResult, audits_of
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.dispatch import perform
from firstboot_plugins.storage_tortoise.encoding import AUDIT_COLUMNS, audit_values
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, ManySql, Rejected, Run

_log = logging.getLogger(__name__)

KEEP_CHANGES_MS = 3_600_000
"""How long a change stays readable for other processes, which ask every second or so."""
KEEP_CHANGES = 1000
"""How many of the newest changes stay whatever the clock says: clocks are stepped."""

# Numbered, because rows must get their ids in the order of the chain.
_AUDIT_NAMES = ", ".join(name for name, _ in AUDIT_COLUMNS)
_APPEND_AUDIT = ManySql(
    f"INSERT INTO audit (link, {_AUDIT_NAMES}) SELECT link, {_AUDIT_NAMES} FROM v ORDER BY n",  # noqa: S608
    (("n", "bigint"), ("link", "bytea"), *AUDIT_COLUMNS),
)
_APPEND_CHANGES = ManySql(
    "INSERT INTO change (kind, ref, at_ms, detail) SELECT kind, ref, at_ms, detail FROM v ORDER BY n RETURNING id",
    (("n", "bigint"), ("kind", "text"), ("ref", "bigint"), ("at_ms", "bigint"), ("detail", "text")),
)
_TRIM_EVERY = 64


def write_batch(batch: Sequence[Write], chain: AuditChain) -> Algorithm[list[WriteResult]]:
    """Do the writes in order; each succeeds or fails alone."""
    results: list[WriteResult] = []
    entries: list[AuditEntry] = []
    changes = Changes()
    for kind, run in groupby(batch, type):
        writes = list(run)
        done = yield from perform(kind, writes, changes)
        results += done
        for write, result in zip(writes, done, strict=True):
            if result.outcome is Outcome.DONE:
                entries += audits_of(write, result)
    if entries:
        yield from _append_audit(entries, chain)
    if changes.rows:
        yield from _append_changes(changes)
    return results


def _append_audit(entries: Sequence[AuditEntry], chain: AuditChain) -> Algorithm[None]:
    rows = yield Run("SELECT link FROM audit ORDER BY id DESC LIMIT 1")
    link = bytes(rows[0][0]) if rows else b""
    appended = []
    for number, entry in enumerate(entries):
        canonical = entry.canonical()
        link = chain(link, canonical)
        appended.append((number, link, *audit_values(entry, canonical)))
    yield Many(_APPEND_AUDIT, appended)


def _append_changes(changes: Changes) -> Algorithm[None]:
    rows = yield Many(_APPEND_CHANGES, [(number, *row) for number, row in enumerate(changes.rows)])
    newest = max(row[0] for row in rows)
    if any(row[0] % _TRIM_EVERY == 0 for row in rows):
        at_ms = max(row[2] for row in changes.rows)
        yield Run(
            "DELETE FROM change WHERE id <= ? AND at_ms < ?", (newest - KEEP_CHANGES, at_ms - KEEP_CHANGES_MS)
        )


def write_each(batch: Sequence[Write], chain: AuditChain) -> Algorithm[list[WriteResult]]:
    """Do a batch again that was `Rejected` for a reason that nobody foresaw: only the culprit fails."""
    results: list[WriteResult] = []
    for write in batch:
        yield Run("SAVEPOINT one")
        try:
            done = yield from write_batch([write], chain)
        except Rejected as error:
            yield Run("ROLLBACK TO SAVEPOINT one")
            _log.error("The database does not take a %s: %s.", type(write).__name__, error)
            done = [WriteResult(Outcome.STALE)]
        yield Run("RELEASE SAVEPOINT one")
        results += done
    return results


def set_meta(name: str, value: bytes, expected: bytes | None) -> Algorithm[bool]:
    """Set a value of the installation if it still is ``expected``."""
    if expected is None:
        rows = yield Run(
            "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING name", (name, value)
        )
    else:
        rows = yield Run(
            "UPDATE meta SET value = ? WHERE name = ? AND value = ? RETURNING name", (value, name, expected)
        )
    return bool(rows)
