"""A bound on requests that only wait: streams of events, and calls to devices.

They count as no work, and the transport never closes a connection whose request is under way: without a bound one
tenant could wait on all connections that there are, and no device would get one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from firstboot.errors import TooManyRequests

if TYPE_CHECKING:
    from firstboot.sessions import Owner, Sessions

MAX_OF_ONE = 100
"""Of one person or API token."""
MAX_WAITING = 300
"""Together with the polls of devices that leaves a fifth of the connections that a server takes by default."""


class WaitingRequests:
    """Counts who waits on a server."""

    def __init__(self) -> None:
        self._by_owner: Counter[Owner] = Counter()

    def enter(self, owner: Owner) -> None:
        """Count one more.

        Raises: `TooManyRequests`.
        """
        if self._by_owner[owner] >= MAX_OF_ONE or self._by_owner.total() >= MAX_WAITING:
            raise TooManyRequests("Too many requests wait already.")
        self._by_owner[owner] += 1

    def leave(self, owner: Owner) -> None:
        """Count one less."""
        self._by_owner[owner] -= 1
        if not self._by_owner[owner]:
            del self._by_owner[owner]

    @contextmanager
    def counted(self, owner: Owner) -> Iterator[None]:
        """Count one more until the end of the block.

        Raises: `TooManyRequests`.
        """
        self.enter(owner)
        try:
            yield
        finally:
            self.leave(owner)


_of_servers: WeakKeyDictionary[Sessions, WaitingRequests] = WeakKeyDictionary()


def waiting_requests(sessions: Sessions) -> WaitingRequests:
    """Return those of the server that has these sessions."""
    return _of_servers.setdefault(sessions, WaitingRequests())
