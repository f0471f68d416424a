"""Devices that are told what is new without asking each time (RFC 7641)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from firstboot_plugins.transports.coap.messages import Message, Option
from firstboot_plugins.transports.coap.options import uint
from firstboot_plugins.transports.coap.outgoing import Outgoing
from firstboot_plugins.transports.coap.peers import Peer
from firstboot_plugins.transports.coap.replies import Reply, reply_to
from firstboot_plugins.transports.coap.resources import Answer, Observed

logger = logging.getLogger(__name__)

MAX_WAITING = 32
"""Notifications of one device that may wait for the one before them to be acknowledged."""
_NUMBERS = 1 << 24


class Observation:
    """One observer; each notification is acknowledged before the next one goes out."""

    def __init__(self, observations: Observations, registration: Message, peer: Peer) -> None:
        self._all = observations
        self.registration = registration
        self.peer = peer
        self._observed: Observed | None = None
        self._waiting: deque[Answer] = deque()
        self._number = 0
        self._on_its_way = True
        """Something was sent that is not acknowledged; at first this is the answer to the registration."""
        self._closed = False
        self._check: asyncio.TimerHandle | None = None

    @property
    def is_begun(self) -> bool:
        return self._observed is not None and not self._closed

    # -- for the dialect ---------------------------------------------------------------------------

    def begin(self, observed: Observed) -> None:
        self._observed = observed
        self._all.add(self)

    def notify(self, answer: Answer) -> bool:
        if self._closed or len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting.append(answer)
        self._send_next()
        return True

    def end(self, last: Answer | None) -> None:
        if not self._closed:
            self.close()
            if last is not None:
                self._all.push(self, reply_to(last), lambda arrived: None)

    # -- for the transport -------------------------------------------------------------------------

    def numbered(self, reply: Reply) -> Reply:
        """Return the reply as the next notification."""
        number, self._number = self._number, (self._number + 1) % _NUMBERS
        return reply.with_option(Option.OBSERVE, uint(number))

    def arrived(self, arrived: bool) -> None:
        """Go on after what was sent has arrived; stop when it has not."""
        self._on_its_way = False
        if self._closed:
            return
        if not arrived:
            self.close()
            return
        if self._check is not None:
            self._check.cancel()
        self._check = asyncio.get_running_loop().call_later(self._all.check_s, self._ask)
        self._send_next()

    def close(self) -> None:
        """Forget the observer, and let the dialect know."""
        if self._closed:
            return
        self._closed = True
        self._waiting.clear()
        if self._check is not None:
            self._check.cancel()
        self._all.remove(self)
        if self._observed is not None:
            try:
                self._observed.closed()
            except Exception:
                logger.exception("the end of an observation failed")

    def _send_next(self) -> None:
        if self._on_its_way or not self._waiting:
            return
        self._on_its_way = True
        reply = self.numbered(reply_to(self._waiting.popleft()))
        self._all.push(self, reply, self.arrived)

    def _ask(self) -> None:
        if self._observed is not None:
            self.notify(self._observed.still_there())


class Observations:
    """Those of all peers, by peer and token."""

    def __init__(self, outgoing: Outgoing, most: int, check_s: float) -> None:
        """``check_s``: after how long without news an observer is asked whether it is still there."""
        self._outgoing = outgoing
        self._most = most
        self.check_s = check_s
        self._all: dict[tuple[Peer, bytes], Observation] = {}
        self._tokens: dict[Peer, set[bytes]] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def are_full(self) -> bool:
        return len(self._all) >= self._most

    def add(self, observation: Observation) -> None:
        """Add one; the former one with this token is over without a word, as RFC 7641 (3.1) has it."""
        self.cancel(observation.peer, observation.registration.token)
        self._all[observation.peer, observation.registration.token] = observation
        self._tokens.setdefault(observation.peer, set()).add(observation.registration.token)

    def remove(self, observation: Observation) -> None:
        key = observation.peer, observation.registration.token
        if self._all.get(key) is observation:
            del self._all[key]
            tokens = self._tokens[observation.peer]
            tokens.remove(observation.registration.token)
            if not tokens:
                del self._tokens[observation.peer]

    def cancel(self, peer: Peer, token: bytes) -> None:
        observation = self._all.get((peer, token))
        if observation is not None:
            observation.close()

    def cancel_all(self, peer: Peer) -> None:
        """End those of a peer that has left."""
        for token in list(self._tokens.get(peer, ())):
            self.cancel(peer, token)

    def push(self, observation: Observation, reply: Reply, ended: Callable[[bool], None]) -> None:
        """Send an observer something, until it is acknowledged."""
        self._outgoing.push(observation.registration, observation.peer, reply, ended)

    def close(self) -> None:
        """End all of them, without a word."""
        for observation in list(self._all.values()):
            observation.close()
