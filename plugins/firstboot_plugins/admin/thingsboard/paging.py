"""Pages of lists, as ThingsBoard cuts them (contract 5.3)."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field

from firstboot.errors import InvalidValue
from firstboot.storage import Page
from firstboot_plugins.admin.thingsboard.shapes import Shape

MAX_PAGE_SIZE = 1000
MAX_PAGE = 2**31 - 1

Item = TypeVar("Item")


class SortOrder(enum.StrEnum):
    """Which end of a list comes first."""

    ASC = "ASC"
    DESC = "DESC"


class PageParameters(Shape):
    """The query of every call that lists; subclasses add filters."""

    page_size: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)]
    page: Annotated[int, Field(ge=0, le=MAX_PAGE)]
    text_search: Annotated[str, Field(max_length=255)] | None = None
    sort_property: Annotated[str, Field(max_length=64)] | None = None
    sort_order: SortOrder | None = None

    def fields(self, sortable: Mapping[str, str]) -> dict[str, Any]:
        """Return the arguments of a `firstboot.storage.PageQuery`.

        ``sortable``: the names by which clients may sort, and those that the storage has for them.
        Raises: `InvalidValue` for another one.
        """
        sort = "created_at_ms" if self.sort_property is None else sortable.get(self.sort_property)
        if sort is None:
            raise InvalidValue(f"The list can be sorted by {', '.join(sorted(sortable))} only.")
        return {
            "page": self.page,
            "page_size": self.page_size,
            "text": self.text_search or None,
            "sort": sort,
            "descending": self.sort_order is SortOrder.DESC,
        }


class PageData(Shape, Generic[Item]):
    """One page."""

    data: Sequence[Item]
    total_pages: int
    total_elements: int
    has_next: bool


def page_data(page: Page[Any], items: Sequence[Item], asked: PageParameters) -> PageData[Item]:
    """Return a page as the answer. ``items`` are the page's rows in their shape."""
    pages = -(-page.total // asked.page_size)
    return PageData(data=items, total_pages=pages, total_elements=page.total, has_next=asked.page + 1 < pages)
