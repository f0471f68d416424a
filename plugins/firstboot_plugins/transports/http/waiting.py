"""The connections on which the next step is the peer's, and which of them to close when there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firstboot_plugins.transports.http.config import HttpConfig
    from firstboot_plugins.transports.http.protocol import BoundedProtocol


class Waiting:
    """Waiting connections, oldest first, in all and by address.

    One whose request is being worked on is not among them, and is never closed to make room.
    """

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._all: dict[BoundedProtocol, None] = {}
        self._by_source: dict[str, dict[BoundedProtocol, None]] = {}
        self.connections = 0

    def add(self, protocol: BoundedProtocol) -> None:
        """Count a connection as waiting from now on; where there are too many, close what waited longest."""
        self.remove(protocol)
        neighbours = self._by_source.setdefault(protocol.source, {})
        self._all[protocol] = neighbours[protocol] = None
        if len(neighbours) > self._config.max_idle_per_address:
            self._close_first(neighbours)
        elif self.connections > self._config.max_connections:
            # When all the others are being worked on, this is the newest one itself.
            self._close_first(self._all)

    def remove(self, protocol: BoundedProtocol) -> None:
        """Stop counting a connection as waiting."""
        if protocol in self._all:
            del self._all[protocol]
            neighbours = self._by_source[protocol.source]
            del neighbours[protocol]
            if not neighbours:
                del self._by_source[protocol.source]

    def _close_first(self, protocols: dict[BoundedProtocol, None]) -> None:
        longest = next(iter(protocols))
        self.remove(longest)
        longest.transport.abort()
