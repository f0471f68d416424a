"""Which rows of a list to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from firstboot.model import ResourceRow

Row = TypeVar("Row", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceQuery:
    """Which devices to list, ordered by id."""

    tenant_id: int
    after_id: int = 0
    limit: int = 100
    customer_id: int | None = None
    profile_id: int | None = None
    text: str | None = None
    """Only names that contain this, whatever the case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """Which page of a list: 0-based, with rows in an order of the caller's choice and then by id.

    Texts are in the order that the database gives them. ``descending`` turns all of it round.
    """

    page: int = 0
    page_size: int = 100
    offset: int | None = None
    """How many rows to leave out; None: those of the pages before ``page``."""
    text: str | None = None
    """Only rows whose name (title, e-mail address) or label contains this, whatever the case."""
    sort: str = "created_at_ms"
    """``created_at_ms``, ``name`` (title, e-mail address), or for devices ``label`` or ``profile`` (its name)."""
    descending: bool = False

    @property
    def start(self) -> int:
        """How many rows come before those that are wanted."""
        return self.page * self.page_size if self.offset is None else self.offset


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePageQuery(PageQuery):
    """Which page of a tenant's devices."""

    tenant_id: int
    customer_id: int | None = None
    profile_id: int | None = None
    ids: frozenset[int] | None = None
    """Only these, such as those that are connected."""
    not_ids: frozenset[int] = frozenset()
    """None of these."""
    enabled: bool | None = None
    name: str | None = None
    """Only the one with exactly this name."""
    exact_first: bool = False
    """Whether devices whose name is the whole ``text``, whatever the case, come before all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowQuery:
    """Which rows of a resource to read, the newest first unless said otherwise."""

    resource_id: int
    from_ms: int | None = None
    """The earliest moment that is wanted, None: no bound."""
    until_ms: int | None = None
    """The latest moment that is wanted, None: no bound."""
    limit: int = 100
    oldest_first: bool = False
    after: ResourceRow | None = None
    """The last row that was read: go on behind it. It need not be there any more."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list, and how many the whole list has."""

    rows: Sequence[Row]
    total: int
