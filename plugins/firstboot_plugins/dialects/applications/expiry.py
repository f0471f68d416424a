"""Ends the sessions of a token when it expires."""

from __future__ import annotations

import asyncio

from firstboot.clock import Clock
from firstboot.sessions import Owner, SessionEnd, Sessions

LONGEST_WAIT_S = 60.0
"""The wall clock is looked at again after this, because it may be set (threat OP-9)."""


class Expiry:
    """Watches the clock for one session, until the token expires or the session ends."""

    def __init__(self, expires_at_ms: int | None, clock: Clock, sessions: Sessions, owner: Owner) -> None:
        self._clock = clock
        self._sessions = sessions
        self._owner = owner
        self._timer: asyncio.Handle | None = None
        if expires_at_ms is not None:
            # Not at once: the session is just being opened.
            self._timer = asyncio.get_running_loop().call_soon(self._look, expires_at_ms)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, expires_at_ms: int) -> None:
        left_s = (expires_at_ms - self._clock.now_ms()) / 1000
        if left_s <= 0:
            self._sessions.end(self._owner, SessionEnd.CREDENTIALS_CHANGED)
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(left_s, LONGEST_WAIT_S), self._look, expires_at_ms)
