"""The connections on which the next step is the peer's, and which of them to close when there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from firstboot.throttle import source_of

if TYPE_CHECKING:
    from firstboot_plugins.transports.http.config import HttpConfig


class Peer(Protocol):
    """A connection, as far as waiting is concerned."""

    address: str

    def drop(self) -> None:
        """Close at once."""
        ...


class Waiting:
    """Waiting connections, oldest first, in all and by address.

    One whose request is being worked on is not among them, and is never closed to make room.
    """

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._all: dict[Peer, str] = {}
        """The peers, each with the source of its address."""
        self._by_source: dict[str, dict[Peer, None]] = {}
        self._connections: set[Peer] = set()

    @property
    def connections(self) -> int:
        """How many connections there are, waiting or not."""
        return len(self._connections)

    def admit(self, peer: Peer) -> None:
        """Count a new connection, which waits from now on."""
        self._connections.add(peer)
        self.add(peer)

    def leave(self, peer: Peer) -> None:
        """Count a connection no longer."""
        self._connections.discard(peer)
        self.remove(peer)

    def add(self, peer: Peer) -> None:
        """Count a connection as waiting from now on; where there are too many, close what waited longest."""
        self.remove(peer)
        source = source_of(peer.address)
        neighbours = self._by_source.setdefault(source, {})
        self._all[peer] = source
        neighbours[peer] = None
        if len(neighbours) > self._config.max_idle_per_address:
            self._close_first(neighbours)
        elif self.connections > self._config.max_connections:
            # When all the others are being worked on, this is the newest one itself.
            self._close_first(self._all)

    def remove(self, peer: Peer) -> None:
        """Stop counting a connection as waiting."""
        source = self._all.pop(peer, None)
        if source is not None:
            neighbours = self._by_source[source]
            del neighbours[peer]
            if not neighbours:
                del self._by_source[source]

    def drop_all(self) -> None:
        """Close every connection that waits."""
        for peer in list(self._all):
            peer.drop()

    def _close_first(self, peers: dict[Peer, str] | dict[Peer, None]) -> None:
        longest = next(iter(peers))
        self.remove(longest)
        longest.drop()
