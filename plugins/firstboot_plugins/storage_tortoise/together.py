"""Several writes that are done together, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, TypeAlias

from firstboot.storage import CreateDevice, CreateResource, Outcome, Together, WriteResult
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.statements import Algorithm, Run

Perform: TypeAlias = Callable[[type, Sequence[Any], Changes], Algorithm[list[WriteResult]]]

_APART = frozenset({CreateDevice, CreateResource})
"""Writes of which none minds whether one of another kind comes before it or after it."""


def do_together(writes: Sequence[Together], changes: Changes, perform: Perform) -> Algorithm[list[WriteResult]]:
    """Do those that can be done; ``perform`` does writes of one kind."""
    results: list[WriteResult] = []
    for kinds, run in groupby(writes, lambda write: tuple(map(type, write.writes))):
        alike = list(run)
        done = None
        if _APART.issuperset(kinds):
            done = yield from _all_at_once(alike, kinds, changes, perform)
        if done is None:
            done = []
            for write in alike:
                done.append((yield from _one(write, changes, perform)))
        results += done
    return results


def _all_at_once(
    writes: Sequence[Together], kinds: Sequence[type], changes: Changes, perform: Perform
) -> Algorithm[list[WriteResult] | None]:
    """Do the parts of one kind of all, then those of the next: devices and what belongs to them, by the hundred.

    Return None, with nothing done, when a part cannot be done after others of its own were: for the sake of those
    some of another may have been refused.
    """
    told = len(changes.rows)
    refused: dict[int, WriteResult] = {}
    parts: list[dict[int, WriteResult]] = [{} for _ in writes]
    yield Run("SAVEPOINT together")
    for kind in dict.fromkeys(kinds):
        places = [place for place, each in enumerate(kinds) if each is kind]
        wanted = [(number, place) for number in range(len(writes)) if number not in refused for place in places]
        done = yield from perform(kind, [writes[number].writes[place] for number, place in wanted], changes)
        for (number, place), result in zip(wanted, done, strict=True):
            if result.outcome is Outcome.DONE:
                parts[number][place] = result
            elif not parts[number] and len(places) == 1:
                refused[number] = WriteResult(result.outcome)
            else:
                yield from _undo(changes, told)
                return None
    yield Run("RELEASE SAVEPOINT together")
    return [
        refused.get(number)
        or WriteResult(Outcome.DONE, parts=tuple(part for _, part in sorted(parts[number].items())))
        for number in range(len(writes))
    ]


def _one(write: Together, changes: Changes, perform: Perform) -> Algorithm[WriteResult]:
    told = len(changes.rows)
    parts: list[WriteResult] = []
    yield Run("SAVEPOINT together")
    for each in write.writes:
        parts += yield from perform(type(each), [each], changes)
        if parts[-1].outcome is not Outcome.DONE:
            yield from _undo(changes, told)
            return WriteResult(parts[-1].outcome)
    yield Run("RELEASE SAVEPOINT together")
    return WriteResult(Outcome.DONE, parts=tuple(parts))


def _undo(changes: Changes, told: int) -> Algorithm[None]:
    # One of the same name that is around it comes to no harm: the innermost is meant.
    yield Run("ROLLBACK TO SAVEPOINT together")
    yield Run("RELEASE SAVEPOINT together")
    del changes.rows[told:]
