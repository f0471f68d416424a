"""Writes of what devices report, and of what is set for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firstboot.model import Scope, TelemetryPoint
from firstboot.storage.audit import AuditEntry
from firstboot.storage.claim_writes import NewClaimWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveAttributes:
    """Set attributes of a device. For `Scope.SHARED` other processes are told the keys.

    Setting `PROVISION_STATE` of `Scope.SERVER` is like setting any other. No values: nothing is told.
    Outcomes: DONE, DEVICE_GONE.
    """

    device_id: int
    scope: Scope
    values: Mapping[str, Any]
    at_ms: int
    audit: AuditEntry | None = None
    """None for what devices report of themselves."""
    claim_window: NewClaimWindow | None = None
    """The window that `CLAIMING_DATA` among the values opens, in place of the administrator's last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAttributes:
    """Delete attributes of a device. Keys that are not there do not matter, and are not told.

    Deleting `PROVISION_STATE` of `Scope.SERVER` lets the device be provisioned once more, as `ReopenDevice` does;
    deleting `CLAIMING_DATA` closes the administrator's claim window.
    Outcomes: DONE, DEVICE_GONE.
    """

    device_id: int
    scope: Scope
    keys: tuple[str, ...]
    at_ms: int
    audit: AuditEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveTelemetry:
    """Keep the newest value of each key; of two of the same moment, the later one in the order of writing.

    Outcomes: DONE, DEVICE_GONE.
    """

    device_id: int
    points: tuple[TelemetryPoint, ...]
