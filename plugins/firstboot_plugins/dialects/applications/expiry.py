"""Ends what hangs on a token when it expires."""

from __future__ import annotations

import asyncio

from firstboot.clock import Clock
from firstboot.sessions import Owner, SessionEnd, Sessions

LONGEST_WAIT_S = 60.0
"""The wall clock is looked at again after this, because it may be set (threat OP-9)."""


class Expiries:
    """Watches the clock for every token that has been used, also while it has no session.

    An absent client's session, its will and its retained messages end with the token, too (threats MQ-9, MQ-10).
    """

    def __init__(self, clock: Clock, sessions: Sessions) -> None:
        self._clock = clock
        self._sessions = sessions
        self._watched: set[Owner] = set()

    def watch(self, owner: Owner, expires_at_ms: int | None) -> None:
        """End all of ``owner`` at that moment; None is never."""
        if expires_at_ms is not None and owner not in self._watched:
            self._watched.add(owner)
            # Not at once: the session is just being opened.
            asyncio.get_running_loop().call_soon(self._look, owner, expires_at_ms)

    def _look(self, owner: Owner, expires_at_ms: int) -> None:
        left_s = (expires_at_ms - self._clock.now_ms()) / 1000
        if left_s <= 0:
            self._watched.discard(owner)
            self._sessions.end(owner, SessionEnd.CREDENTIALS_CHANGED)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(min(left_s, LONGEST_WAIT_S), self._look, owner, expires_at_ms)
