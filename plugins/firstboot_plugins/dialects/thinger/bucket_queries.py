"""What the query of a bucket's data asks for (contract section 8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from firstboot import json_profile
from firstboot.storage import RowQuery
from firstboot_plugins.dialects.thinger.aggregates import AGGREGATES
from firstboot_plugins.dialects.thinger.errors import ThingerError

DEFAULT_ITEMS = 10
_STEP = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d|w)")
_STEP_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketQuery:
    """Which rows of a bucket to answer with, or which steps of time."""

    items: int = DEFAULT_ITEMS
    from_ms: int | None = None
    until_ms: int | None = None
    oldest_first: bool = False
    step_ms: int = 0
    """Length of the steps that are summed up; 0: rows are wanted as they are."""
    aggregate: str = "mean"

    @classmethod
    def of(cls, query: Mapping[str, str], most_items: int) -> BucketQuery:
        """Read the query of a request. Who wants more than ``most_items`` gets so many.

        Raises: `ThingerError` (400).
        """
        sort, aggregate = query.get("sort", "desc"), query.get("agg_type", "mean")
        if sort not in ("asc", "desc"):
            raise ThingerError(400, "invalid parameter: sort")
        if aggregate not in AGGREGATES:
            raise ThingerError(400, "invalid parameter: agg_type")
        items = _number(query, "items")
        return cls(
            items=min(DEFAULT_ITEMS if items is None else items, most_items),
            from_ms=_number(query, "min_ts"),
            until_ms=_number(query, "max_ts"),
            oldest_first=sort == "asc",
            step_ms=_step(query),
            aggregate=aggregate,
        )

    def rows_of(self, bucket_id: int) -> RowQuery:
        """Return what to read of a bucket."""
        return RowQuery(
            resource_id=bucket_id,
            from_ms=self.from_ms,
            until_ms=self.until_ms,
            limit=self.items,
            oldest_first=self.oldest_first,
        )


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > json_profile.MAX_INTEGER:
        raise ThingerError(400, f"invalid parameter: {name}")
    return int(text)


def _step(query: Mapping[str, str]) -> int:
    text = query.get("agg")
    if not text:
        return 0
    step = _STEP.fullmatch(text)
    if step is None:
        raise ThingerError(400, "invalid parameter: agg")
    return int(step[1]) * _STEP_MS[step[2]]
