"""Making and changing devices from a delivery list of any length, in large commits and little memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from firstboot.csv_records import Record
from firstboot.errors import FirstbootError, InvalidValue, Unavailable
from firstboot.import_plans import Plan, Planner, Wishes
from firstboot.import_rows import RowReader
from firstboot.import_writes import Done, ImportWriter, Result
from firstboot.secrets_file import SecretsFile
from firstboot.storage import AppendAudit, AuditEntry

if TYPE_CHECKING:
    from firstboot.core import Core

ROWS_AT_A_TIME = 500
"""As many as one commit takes."""


@dataclass
class Tally:
    """What became of the rows."""

    created: int = 0
    updated: int = 0
    left_alone: int = 0
    """Of devices that were there."""
    failed: int = 0
    gone_on_with: int = 0
    """Devices that got a secret by an import that was cut off before, which this one has finished."""

    @property
    def rows(self) -> int:
        return self.created + self.updated + self.left_alone + self.failed

    def count(self, result: Result) -> None:
        match result:
            case Done.CREATED:
                self.created += 1
            case Done.UPDATED:
                self.updated += 1
            case Done.LEFT_ALONE:
                self.left_alone += 1
            case _:
                self.failed += 1


Failed = Callable[[int, str], object]
"""Told the line of each row that fails, and why."""
Progress = Callable[[Tally], object]


class DeviceImport:
    """One import. Each row succeeds or fails alone; what was counted as done is on disk.

    A list that is imported again makes what is missing. An import that is cut off at any moment loses no secret:
    each is in the secrets file before its device is in the database.
    """

    def __init__(self, core: Core, wishes: Wishes, secrets: SecretsFile | None, failed: Failed) -> None:
        """``secrets``: where claim secrets are handed out; None: nowhere."""
        self._core = core
        self._wishes = wishes
        self._secrets = secrets
        self._failed = failed
        self._planner = Planner(core, wishes)
        self._writer = ImportWriter(core, wishes, secrets)
        self._lines: dict[int, int] = {}
        """The line of each name, by the name's hash: the names themselves would take more room."""
        self._tally = Tally()

    async def run(self, records: Iterable[Record], reader: RowReader, progress: Progress | None = None) -> Tally:
        """Do all rows, and finish the secrets file.

        Raises: `Unavailable` when the database stays away, `InvalidValue`, `OSError`; what was done stays done.
        """
        # Also a barrier: after it, nothing of an import that was cut off can still become a commit.
        await self._audit("devices-import-started", "")
        self._tally.gone_on_with = await self._writer.go_on()
        rows = iter(records)
        writing: asyncio.Task[None] | None = None
        try:
            # The next rows are read while the last ones are written.
            while some := list(islice(rows, ROWS_AT_A_TIME)):
                plans = await self._plans(some, reader)
                if writing is not None:
                    await writing
                    if progress is not None:
                        progress(self._tally)
                writing = asyncio.create_task(self._write(plans))
            if writing is not None:
                await writing
        finally:
            if writing is not None and not writing.done():
                await asyncio.wait([writing])  # a commit that has begun is seen to its end
        await self._audit("devices-imported", _summary(self._tally))
        if self._secrets is not None:
            await asyncio.to_thread(self._secrets.finish)
        return self._tally

    async def check(self, records: Iterable[Record], reader: RowReader, progress: Progress | None = None) -> Tally:
        """Do everything but write; what only the database can refuse is not found."""
        wishes, rows = self._wishes, iter(records)
        while some := list(islice(rows, ROWS_AT_A_TIME)):
            for _, plan in await self._plans(some, reader):
                changes = wishes.update or (wishes.replace_secrets and plan.secret is not None)
                if await self._core.storage.find_device(wishes.tenant_id, plan.device.name) is None:
                    self._tally.count(Done.CREATED)
                else:
                    self._tally.count(Done.UPDATED if changes else Done.LEFT_ALONE)
            if progress is not None:
                progress(self._tally)
        return self._tally

    async def _plans(self, records: Sequence[Record], reader: RowReader) -> list[tuple[int, Plan]]:
        """Return the plans of the rows that can be written, with their lines."""
        plans: list[tuple[int, Plan]] = []
        for record in records:
            try:
                if record.error is not None:
                    raise InvalidValue(record.error)
                plan = await self._planner.plan(reader.read(record.cells))
                line = self._lines.setdefault(hash(plan.device.name), record.line)
                if line != record.line:
                    raise InvalidValue(f"The name stands in line {line} already.")
            except Unavailable:
                raise
            except FirstbootError as error:
                self._count(record.line, error)
            else:
                plans.append((record.line, plan))
        return plans

    async def _write(self, plans: Sequence[tuple[int, Plan]]) -> None:
        results = await self._writer.write([plan for _, plan in plans])
        for (line, _), result in zip(plans, results, strict=True):
            self._count(line, result)

    def _count(self, line: int, result: Result) -> None:
        self._tally.count(result)
        if isinstance(result, FirstbootError):
            self._failed(line, str(result))

    async def _audit(self, event: str, detail: str) -> None:
        entry = AuditEntry(
            at_ms=self._core.clock.now_ms(),
            event=event,
            tenant_id=self._wishes.tenant_id,
            actor=self._wishes.actor,
            detail=detail,
        )
        await self._core.commits.submit(AppendAudit(entry))


def _summary(tally: Tally) -> str:
    return (
        f"{tally.created} created, {tally.updated} updated, {tally.left_alone} left alone, {tally.failed} failed"
    )
