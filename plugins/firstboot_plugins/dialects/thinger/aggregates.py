"""Summing up what a bucket has collected in steps of time (contract section 8)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from firstboot.model import ResourceRow
from firstboot_plugins.dialects.thinger.errors import ThingerError

MAX_VALUES = 100_000
"""In one answer: they are all in memory until the last row is read."""
_VALUE = "value"
"""Key of the numbers of rows that are no objects, should a step have rows that are some beside them."""


@dataclass(slots=True)
class Summary:
    """Of the numbers that came under one key, in the order of time."""

    first: float
    last: float
    least: float
    most: float
    count: int = 1
    total: float = 0

    @classmethod
    def of(cls, number: float) -> Summary:
        return cls(number, number, number, number, total=number)

    def add(self, number: float, *, older: bool) -> None:
        """Take one more number, which came before (``older``) or after all others."""
        if older:
            self.first = number
        else:
            self.last = number
        self.count += 1
        self.total += number
        self.least, self.most = min(self.least, number), max(self.most, number)


AGGREGATES: Mapping[str, Callable[[Summary], float]] = {
    "mean": lambda summary: summary.total / summary.count,
    "min": lambda summary: summary.least,
    "max": lambda summary: summary.most,
    "sum": lambda summary: summary.total,
    "count": lambda summary: summary.count,
    "first": lambda summary: summary.first,
    "last": lambda summary: summary.last,
}
"""What may be asked for, by its name in the query."""


class Steps:
    """Sums rows up that come in the order of time, or all in the opposite one."""

    def __init__(self, step_ms: int, most: int, *, oldest_first: bool) -> None:
        """``most``: how many steps are wanted; those in which nothing came are none."""
        self._step_ms = step_ms
        self._most = most
        self._older = not oldest_first
        self._steps: list[tuple[int, dict[str | None, Summary]]] = []
        self._values = 0

    def take(self, row: ResourceRow) -> bool:
        """Add the numbers of a row, each of an object's under its own key; False: no more rows are needed.

        Raises: `ThingerError` (400) when there are too many different keys.
        """
        start_ms = row.at_ms - row.at_ms % self._step_ms
        for key, number in _numbers(row.value):
            if not self._steps or self._steps[-1][0] != start_ms:
                if len(self._steps) == self._most:
                    return False
                self._steps.append((start_ms, {}))
            self._add(self._steps[-1][1], key, number)
        return True

    def _add(self, summaries: dict[str | None, Summary], key: str | None, number: float) -> None:
        if key in summaries:
            summaries[key].add(number, older=self._older)
            return
        self._values += 1
        if self._values > MAX_VALUES:
            raise ThingerError(400, f"the answer has more than {MAX_VALUES} values: ask for less")
        summaries[key] = Summary.of(number)

    def told(self, aggregate: str) -> list[dict[str, Any]]:
        """Return one row for each step, in the order in which the rows came."""
        return [
            {"ts": start_ms, "val": _told(summaries, AGGREGATES[aggregate])} for start_ms, summaries in self._steps
        ]


def _numbers(value: Any) -> Iterator[tuple[str | None, float]]:
    """Yield each number with its key; None: the row is the number."""
    members = value.items() if isinstance(value, dict) else [(None, value)]
    for key, member in members:
        if isinstance(member, int | float) and not isinstance(member, bool):
            yield key, member


def _told(summaries: Mapping[str | None, Summary], aggregate: Callable[[Summary], float]) -> Any:
    values = {key: _finite(aggregate(summary)) for key, summary in summaries.items()}
    if list(values) == [None]:
        return values[None]
    return {_VALUE if key is None else key: value for key, value in values.items()}


def _finite(number: float) -> float | None:
    """Return null for what is beyond all numbers that JSON has, as the sum of huge ones may be."""
    return number if math.isfinite(number) else None
