"""Noticing what other processes changed: the command line, or other servers on the same database."""

from __future__ import annotations

import asyncio
import logging
import time

from firstboot.errors import Unavailable
from firstboot.profiles import ProfileDirectory
from firstboot.sessions import SessionEnd, Sessions, device_owner
from firstboot.storage import ChangeKind, Storage

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.3
MAX_AGE_S = 1.0
"""Above this age what is held in memory counts for nothing until it was compared with the storage again."""
_ENDS = {
    ChangeKind.CREDENTIALS: SessionEnd.CREDENTIALS_CHANGED,
    ChangeKind.DEVICE_DELETED: SessionEnd.DEVICE_DELETED,
}


class ChangeFollower:
    """Reads the log of changes again and again.

    A poll of one indexed row is cheaper than it is to get notifications right over broken connections, and
    the same on every database. What was missed while the database was away is read when it is back.
    """

    def __init__(self, storage: Storage, profiles: ProfileDirectory, sessions: Sessions) -> None:
        self._storage = storage
        self._profiles = profiles
        self._sessions = sessions
        self._last = 0
        self._read_at = time.monotonic()
        self._reading = asyncio.Lock()

    async def start(self) -> None:
        """Take the present as read."""
        self._last = await self._storage.last_change()
        await self._profiles.reload()

    async def follow(self) -> None:
        """Poll until cancelled."""
        away = False
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            try:
                if away:
                    await self._profiles.reload()
                await self.catch_up()
                away = False
            except Unavailable as error:
                if not away:
                    logger.error("changes cannot be read", extra={"reason": str(error)})
                away = True
            except Exception:
                if not away:
                    logger.exception("changes cannot be read")
                away = True

    async def ensure_fresh(self) -> None:
        """Catch up if that was too long ago: a process that was paused must not answer from memory (OP-17).

        Raises: `Unavailable`.
        """
        if time.monotonic() - self._read_at > MAX_AGE_S:
            async with self._reading:
                if time.monotonic() - self._read_at > MAX_AGE_S:
                    await self._catch_up()

    async def catch_up(self) -> None:
        """Act on everything that is new."""
        async with self._reading:  # two at a time would act twice on what one of them has read
            await self._catch_up()

    async def _catch_up(self) -> None:
        asked_at = time.monotonic()
        changes = await self._storage.changes_since(self._last)
        if any(change.kind is ChangeKind.PROFILE for change in changes):
            await self._profiles.reload()
        for change in changes:
            if change.kind in _ENDS:
                self._sessions.end(device_owner(change.ref), _ENDS[change.kind])
            self._last = change.id
        self._read_at = asked_at
