"""The audit log: what is appended to it, what stands in it, and how it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from firstboot.model import DeviceRef, Origin

AuditChain: TypeAlias = Callable[[bytes, bytes], bytes]
"""Gives a row's link from the link before it (``b""`` for the first) and the row's canonical bytes."""

_NOWHERE = Origin(transport="", dialect="", address="")
ASKED_FROM: ContextVar[Origin] = ContextVar("ASKED_FROM", default=_NOWHERE)
"""Where the request comes from that is being worked on; what it changes is audited with that.

Set by the door that took the request, so that no service has to hand it on. Commands leave it as it is.
"""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One decision or change, for the append-only audit log. No secret in it, ever."""

    at_ms: int
    event: str
    """What was done or asked: ``device-provisioned``, ``provisioning-refused``, ``profile-created``, ..."""
    code: str = "ok"
    """``ok``, or the code of the refusal."""
    tenant_id: int | None = None
    profile: str | None = None
    device: str | None = None
    device_id: UUID | None = None
    actor: str = "device"
    """Who: ``device``, or for operators their name at the door they used, such as ``cli:root``."""
    address: str = field(default_factory=lambda: ASKED_FROM.get().address)
    transport: str = field(default_factory=lambda: ASKED_FROM.get().transport)
    dialect: str = field(default_factory=lambda: ASKED_FROM.get().dialect)
    detail: str = ""

    @classmethod
    def of_device(cls, event: str, device: DeviceRef, origin: Origin | None = None, **more: Any) -> AuditEntry:
        """Return an entry about a device; without ``origin`` the request that is worked on says where from."""
        if origin is not None:
            more |= {"address": origin.address, "transport": origin.transport, "dialect": origin.dialect}
        return cls(event=event, tenant_id=device.tenant_id, device=device.name, device_id=device.public_id, **more)

    def canonical(self) -> bytes:
        """Return the bytes that the audit chain covers."""
        row = (
            self.at_ms, self.event, self.code, self.tenant_id, self.profile, self.device,
            self.device_id.hex if self.device_id else None,
            self.actor, self.address, self.transport, self.dialect, self.detail,
        )  # fmt: skip
        return _encode(row).encode()


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An audit entry as it is stored."""

    id: int
    entry: AuditEntry
    link: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which audit rows to list, ordered by id. None: whatever it is."""

    after_id: int = 0
    before_id: int | None = None
    limit: int = 1000
    newest_first: bool = False
    tenant_id: int | None = None
    event: str | None = None
    code: str | None = None
    refusals: bool = False
    """Only rows whose code is not ``ok``."""
    device_id: UUID | None = None
    device: str | None = None
    """Name of the device, exactly."""
    profile: str | None = None
    actor: str | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    """Before this moment."""
