"""Holding devices to a number of keys, so that none fills the database with names that it makes up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Generic, TypeVar

from firstboot.errors import InvalidValue

MAX_REMEMBERED = 100_000
"""Keys of all owners together that are kept in memory; those of the owners that were quiet longest go first."""

Owner = TypeVar("Owner")


class KeyLimit(Generic[Owner]):
    """Counts the keys that an owner has, in memory; ``read`` gives those that are stored.

    Requests that are under way at the same time may go beyond it together, once: the limit bounds harm.
    """

    def __init__(self, most: int, read: Callable[[Owner], Awaitable[Iterable[str]]]) -> None:
        self._most = most
        self._read = read
        self._known: OrderedDict[Owner, set[str]] = OrderedDict()
        self._remembered = 0

    async def admit(self, owner: Owner, keys: Collection[str]) -> None:
        """Count these keys as the owner's.

        Raises: `InvalidValue` when these would be too many; then none of them is counted.
        """
        known = self._known.get(owner)
        if known is not None and known.issuperset(keys):
            self._known.move_to_end(owner)
            return
        # What was remembered may be too much by now: others delete keys, perhaps on another server.
        if known is None or len(known.union(keys)) > self._most:
            self.forget(owner)
            known = self._remember(owner, await self._read(owner))
        if len(known.union(keys)) > self._most:
            raise InvalidValue(f"A device has at most {self._most} keys.")
        self._remember(owner, keys)

    def forget(self, owner: Owner) -> None:
        """Read the owner's keys again when it is next asked for."""
        self._remembered -= len(self._known.pop(owner, ()))

    def _remember(self, owner: Owner, keys: Iterable[str]) -> set[str]:
        known = self._known.setdefault(owner, set())
        before = len(known)
        known.update(keys)
        self._remembered += len(known) - before
        self._known.move_to_end(owner)
        while self._remembered > MAX_REMEMBERED and len(self._known) > 1:
            self.forget(next(iter(self._known)))
        return known
