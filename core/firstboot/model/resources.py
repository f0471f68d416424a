"""Named documents that a tenant has beside devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A named JSON document of a tenant, of a kind that a dialect knows: a dashboard, a bucket, a product."""

    id: int
    tenant_id: int
    kind: str
    """Such as ``thinger-bucket``."""
    name: str
    """Unique in the tenant and the kind."""
    document: Mapping[str, Any]
    version: int = 1
    created_at_ms: int = 0
    updated_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDraft:
    """A `Resource` that is to be made."""

    kind: str
    name: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """One of the values that a resource has collected. Two of one moment are two."""

    at_ms: int
    value: Any
    id: int = field(default=0, compare=False)
    """Given by the storage, in the order of arrival."""
