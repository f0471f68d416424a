"""Live sessions of devices: one per device, ended when its credentials end."""

from __future__ import annotations

import enum
import time
from typing import Protocol

_REMEMBER_S = 10.0


class SessionEnd(enum.Enum):
    """Why the server ends a session."""

    TAKEN_OVER = "taken-over"
    """The same device has logged in again."""
    CREDENTIALS_CHANGED = "credentials-changed"
    DEVICE_DELETED = "device-deleted"
    KICKED = "kicked"
    SERVER_STOPS = "server-stops"


class LiveSession(Protocol):
    """What a transport registers."""

    def end(self, why: SessionEnd) -> None:
        """Close the session; called at most once, on the event loop."""
        ...


class Sessions:
    """The sessions of this node, by device id."""

    def __init__(self) -> None:
        self._sessions: dict[int, LiveSession] = {}
        self._ended_at: dict[int, float] = {}
        """In the order of the moments."""

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, device_id: int, session: LiveSession, *, judged_at: float) -> bool:
        """Register a session in place of the device's former one, which is closed.

        ``judged_at``: monotonic time at which its credentials were looked up. Returns False, and registers
        nothing, when the device's sessions were ended since: those credentials may be void.
        """
        ended_at = self._ended_at.get(device_id)
        if ended_at is not None and ended_at >= judged_at:
            return False
        former = self._sessions.pop(device_id, None)
        self._sessions[device_id] = session
        if former is not None:
            former.end(SessionEnd.TAKEN_OVER)
        return True

    def close(self, device_id: int, session: LiveSession) -> bool:
        """Forget a session that has ended by itself; say whether it still was the device's session."""
        if self._sessions.get(device_id) is session:
            del self._sessions[device_id]
            return True
        return False

    def end(self, device_id: int, why: SessionEnd) -> bool:
        """Close the device's session, also one that is just being opened; say whether there was one."""
        now = time.monotonic()
        self._ended_at.pop(device_id, None)
        self._ended_at[device_id] = now
        self._forget(now)
        session = self._sessions.pop(device_id, None)
        if session is not None:
            session.end(why)
        return session is not None

    def _forget(self, now: float) -> None:
        while self._ended_at:
            oldest = next(iter(self._ended_at))
            if now - self._ended_at[oldest] < _REMEMBER_S:
                return
            del self._ended_at[oldest]

    def end_all(self, why: SessionEnd) -> None:
        """Close every session."""
        for device_id in list(self._sessions):
            self.end(device_id, why)
