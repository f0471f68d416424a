"""Writes of named documents that dialects keep beside devices, and of what those collect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from firstboot.model import Resource, ResourceRow
from firstboot.storage.audit import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateResource:
    """Make a resource; ``id`` and ``version`` in it are ignored. Other processes are told.

    Outcomes: DONE with its id, NAME_TAKEN (within tenant and kind), GONE (the tenant).
    """

    resource: Resource
    keep_existing: bool = False
    """Whether one that exists is DONE, too: with its id and version 0. It stays as it is; nothing is audited."""
    audit: AuditEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResource:
    """Replace a resource's document and moment of change; its ``version`` is counted up. Other processes are told.

    Outcomes: DONE with the new version, GONE, STALE (another version than expected).
    """

    resource: Resource
    expected_version: int | None = None
    """None: whatever it is now."""
    audit: AuditEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteResource:
    """Delete a resource with its rows. Other processes are told. Outcomes: DONE, GONE."""

    resource_id: int
    at_ms: int
    audit: AuditEntry | None = None


@dataclass(frozen=True, slots=True)
class AppendRows:
    """Add rows to what a resource has collected. Outcomes: DONE, GONE."""

    resource_id: int
    rows: Sequence[ResourceRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRows:
    """Delete rows of a resource. Outcome: DONE, with the number of rows as its id."""

    resource_id: int
    before_ms: int | None = None
    """Only rows from before this moment; None: all."""
    limit: int | None = None
    """At most so many, the oldest; None: all."""
    audit: AuditEntry | None = None
