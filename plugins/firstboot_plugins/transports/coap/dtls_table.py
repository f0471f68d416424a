"""Which sessions there are: never more than so many, none that was quiet for too long."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from firstboot.throttle import source_of
from firstboot_plugins.transports.coap.dtls_session import Session
from firstboot_plugins.transports.coap.peers import Peer


class Sessions:
    """Sessions by the address of the peer. Where there are too many, the one that was quiet longest gives way."""

    def __init__(
        self, monotonic: Callable[[], float], *, most: int, most_of_an_address: int, longest_silence_s: float
    ) -> None:
        self._monotonic = monotonic
        self._most = most
        self._most_of_an_address = most_of_an_address
        self._longest_silence_s = longest_silence_s
        self._all: OrderedDict[Peer, tuple[Session, float]] = OrderedDict()
        """With the time of its last sign of life, the quietest first."""
        self._neighbours: dict[str, OrderedDict[Peer, None]] = {}
        """Those of one source, the quietest first."""

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Session]:
        return iter([session for session, _ in self._all.values()])

    def get(self, where: Peer) -> Session | None:
        entry = self._all.get(where)
        return None if entry is None else entry[0]

    def add(self, where: Peer, session: Session) -> list[Session]:
        """Add a session; return those that had to make room for it, one of the same peer among them."""
        source = source_of(where.address)
        gone = [self.drop(where)]
        if len(self._neighbours.get(source, ())) >= self._most_of_an_address:
            gone.append(self.drop(next(iter(self._neighbours[source]))))
        if len(self._all) >= self._most:
            gone.append(self.drop(next(iter(self._all))))
        self._all[where] = session, self._monotonic()
        self._neighbours.setdefault(source, OrderedDict())[where] = None
        return [each for each in gone if each is not None]

    def touch(self, where: Peer) -> None:
        """Take note of a sign of life."""
        entry = self._all.get(where)
        if entry is not None:
            self._all[where] = entry[0], self._monotonic()
            self._all.move_to_end(where)
            self._neighbours[source_of(where.address)].move_to_end(where)

    def drop(self, where: Peer) -> Session | None:
        """Forget a session, and return it."""
        entry = self._all.pop(where, None)
        if entry is None:
            return None
        source = source_of(where.address)
        neighbours = self._neighbours[source]
        del neighbours[where]
        if not neighbours:
            del self._neighbours[source]
        return entry[0]

    def drop_silent(self) -> list[Session]:
        """Forget those that were quiet for too long, and return them."""
        gone = []
        while self._all:
            where, (session, at) = next(iter(self._all.items()))
            if self._monotonic() - at < self._longest_silence_s:
                break
            self.drop(where)
            gone.append(session)
        return gone
