"""Holding devices to a number of keys, and to bytes under them, so that none fills the database."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from firstboot.errors import InvalidValue

MAX_KEYS = 1000
MAX_BYTES = 1_048_576
"""All keys of an owner with their values, as `firstboot.attribute_values.sizes` counts them."""
MAX_REMEMBERED = 100_000
"""Keys of all owners together that are kept in memory; those of the owners that were quiet longest go first."""

Owner = TypeVar("Owner")


class KeyLimit(Generic[Owner]):
    """Counts the keys that an owner has and their bytes, in memory; ``read`` gives the sizes of what is stored.

    Requests that are under way at the same time may go beyond it together, once: the limit bounds harm.
    """

    def __init__(
        self,
        read: Callable[[Owner], Awaitable[Mapping[str, int]]],
        *,
        max_keys: int = MAX_KEYS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._read = read
        self._max_keys = max_keys
        self._max_bytes = max_bytes
        self._known: OrderedDict[Owner, dict[str, int]] = OrderedDict()
        self._remembered = 0

    async def admit(self, owner: Owner, sizes: Mapping[str, int]) -> None:
        """Count these keys and their bytes as the owner's. What needs no more room than before is always admitted.

        Raises: `InvalidValue` when they would be too many; then none of them is counted.
        """
        known = self._known.get(owner)
        # What was remembered may be too much by now: others delete keys, perhaps on another server.
        if known is None or self._excess(known, sizes) is not None:
            self.forget(owner)
            known = self._remember(owner, await self._read(owner))
        excess = self._excess(known, sizes)
        if excess is not None:
            raise InvalidValue(excess)
        self._remember(owner, sizes)

    def forget(self, owner: Owner) -> None:
        """Read the owner's keys again when it is next asked for."""
        self._remembered -= len(self._known.pop(owner, ()))

    def _excess(self, known: Mapping[str, int], sizes: Mapping[str, int]) -> str | None:
        """Return the limit that these would break."""
        new_keys = sum(key not in known for key in sizes)
        if new_keys and len(known) + new_keys > self._max_keys:
            return f"A device has at most {self._max_keys} keys."
        more_bytes = sum(size - known.get(key, 0) for key, size in sizes.items())
        if more_bytes > 0 and sum(known.values()) + more_bytes > self._max_bytes:
            return f"The keys and values of a device have at most {self._max_bytes} bytes in all."
        return None

    def _remember(self, owner: Owner, sizes: Mapping[str, int]) -> dict[str, int]:
        known = self._known.setdefault(owner, {})
        before = len(known)
        known.update(sizes)
        self._remembered += len(known) - before
        self._known.move_to_end(owner)
        while self._remembered > MAX_REMEMBERED and len(self._known) > 1:
            self.forget(next(iter(self._known)))
        return known
