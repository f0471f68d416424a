"""Room for peers that have not proven anything yet; devices that have are never counted here (threat MQ-4)."""

from __future__ import annotations

from typing import Protocol

from firstboot.throttle import source_of


class Peer(Protocol):
    """A connection, as far as crowding is concerned."""

    address: str

    def drop(self) -> None:
        """Close at once."""
        ...


class Crowd:
    """Keeps unauthenticated peers within bounds: a new one takes the place of the one quiet longest."""

    def __init__(self, most: int, most_per_source: int) -> None:
        self._most = most
        self._most_per_source = most_per_source
        # Dictionaries keep their order: the first peer is the one that was quiet longest.
        self._peers: dict[Peer, None] = {}
        self._by_source: dict[str, dict[Peer, None]] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def admit(self, peer: Peer) -> None:
        """Count a new peer, and drop another one if there are too many."""
        neighbours = self._by_source.setdefault(source_of(peer.address), {})
        if len(neighbours) >= self._most_per_source:
            self._drop_first(neighbours)
        elif len(self._peers) >= self._most:
            self._drop_first(self._peers)
        self._peers[peer] = None
        self._by_source.setdefault(source_of(peer.address), {})[peer] = None

    def stirred(self, peer: Peer) -> None:
        """Note that the peer has said something sensible."""
        if peer in self._peers:
            for peers in (self._peers, self._by_source[source_of(peer.address)]):
                del peers[peer]
                peers[peer] = None

    def leave(self, peer: Peer) -> None:
        """Stop counting a peer, because it is gone or has proven itself."""
        if peer in self._peers:
            source = source_of(peer.address)
            neighbours = self._by_source[source]
            del self._peers[peer], neighbours[peer]
            if not neighbours:
                del self._by_source[source]

    def drop_all(self) -> None:
        """Close every connection that is counted."""
        for peer in list(self._peers):
            peer.drop()

    def _drop_first(self, peers: dict[Peer, None]) -> None:
        longest_quiet = next(iter(peers))
        self.leave(longest_quiet)
        longest_quiet.drop()
