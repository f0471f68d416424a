"""Live sessions of devices and applications, ended when the credentials behind them end."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol

_REMEMBER_S = 10.0


class SessionEnd(enum.Enum):
    """Why the server ends a session."""

    TAKEN_OVER = "taken-over"
    """The same device, or the same client of an application, has logged in again."""
    CREDENTIALS_CHANGED = "credentials-changed"
    DEVICE_DELETED = "device-deleted"
    KICKED = "kicked"
    """An administrator has switched it off."""
    SERVER_STOPS = "server-stops"
    TIME_OVER = "time-over"
    """It was to last so long, and no longer."""


class Owner(NamedTuple):
    """Whose credentials a session depends on: ``device``, ``api-token`` or ``user``, and its id."""

    kind: str
    id: int


def device_owner(device_id: int) -> Owner:
    return Owner("device", device_id)


class LiveSession(Protocol):
    """What a transport registers."""

    def end(self, why: SessionEnd) -> None:
        """Close the session; called at most once, on the event loop."""
        ...


class Sessions:
    """The sessions of this node. An owner has one in each slot, such as one for each client id."""

    def __init__(self) -> None:
        self._sessions: dict[Owner, dict[object, LiveSession]] = {}
        self._ended_at: dict[Owner, float] = {}
        """In the order of the moments."""
        self._on_end: list[Callable[[Owner, SessionEnd], None]] = []

    def __len__(self) -> int:
        return sum(map(len, self._sessions.values()))

    def on_end(self, callback: Callable[[Owner, SessionEnd], None]) -> None:
        """Call back when an owner's sessions are ended, whether it has any at that moment or not."""
        self._on_end.append(callback)

    def is_open(self, owner: Owner) -> bool:
        """Say whether the owner has any session here."""
        return owner in self._sessions

    def ids(self, kind: str) -> frozenset[int]:
        """Return the owners of a kind that have a session here."""
        return frozenset(owner.id for owner in self._sessions if owner.kind == kind)

    def of(self, owner: Owner) -> Collection[LiveSession]:
        """Return the owner's sessions here."""
        return self._sessions.get(owner, {}).values()

    def open(self, owner: Owner, session: LiveSession, *, judged_at: float, slot: object = "") -> bool:
        """Register a session in place of the former one in its slot, which is closed.

        ``judged_at``: monotonic time at which its credentials were looked up. Returns False, and registers
        nothing, when the owner's sessions were ended since: those credentials may be void.
        """
        ended_at = self._ended_at.get(owner)
        if ended_at is not None and ended_at >= judged_at:
            return False
        slots = self._sessions.setdefault(owner, {})
        former = slots.get(slot)
        slots[slot] = session
        if former is not None:
            former.end(SessionEnd.TAKEN_OVER)
        return True

    def close(self, owner: Owner, session: LiveSession, *, slot: object = "") -> bool:
        """Forget a session that has ended by itself; say whether it still was the one in its slot."""
        slots = self._sessions.get(owner, {})
        if slots.get(slot) is not session:
            return False
        del slots[slot]
        if not slots:
            del self._sessions[owner]
        return True

    def end(self, owner: Owner, why: SessionEnd) -> bool:
        """Close the owner's sessions, also one that is just being opened; say whether there was any."""
        now = time.monotonic()
        self._ended_at.pop(owner, None)
        self._ended_at[owner] = now
        self._forget(now)
        ended = self._sessions.pop(owner, {})
        for session in ended.values():
            session.end(why)
        for callback in self._on_end:
            callback(owner, why)
        return bool(ended)

    def end_one(self, owner: Owner, slot: object, why: SessionEnd) -> None:
        """Close the session in one slot, if there is any; the owner's rights go on."""
        session = self._sessions.get(owner, {}).get(slot)
        if session is not None:
            self.close(owner, session, slot=slot)
            session.end(why)

    def _forget(self, now: float) -> None:
        while self._ended_at:
            oldest = next(iter(self._ended_at))
            if now - self._ended_at[oldest] < _REMEMBER_S:
                return
            del self._ended_at[oldest]

    def end_all(self, why: SessionEnd) -> None:
        """Close every session."""
        for owner in list(self._sessions):
            self.end(owner, why)
