"""Noticing what other processes changed: the command line, or other servers on the same database."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from firstboot.downlink import Downlinks
from firstboot.errors import Unavailable
from firstboot.model import Scope
from firstboot.profile_directory import ProfileDirectory
from firstboot.sessions import Owner, SessionEnd, Sessions
from firstboot.storage import (
    TOKEN_CREATED,
    Change,
    ChangeKind,
    ChangeOwner,
    CreateApiToken,
    CreateDevice,
    CreateProfile,
    CreateResource,
    DeleteApiToken,
    DeleteAttributes,
    DeleteDevice,
    DeleteProfile,
    DeleteResource,
    DeleteUser,
    EndUserSession,
    ReleaseMember,
    ReplaceCredentials,
    SaveAttributes,
    SignUp,
    Storage,
    Together,
    UpdateApiToken,
    UpdateDevice,
    UpdateProfile,
    UpdateResource,
    UpdateUser,
    Write,
)

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.3
MAX_AGE_S = 1.0
"""Above this age what is held in memory counts for nothing until it was compared with the storage again."""
_ENDS = {
    ChangeKind.CREDENTIALS: ("device", SessionEnd.CREDENTIALS_CHANGED),
    ChangeKind.DEVICE_DELETED: ("device", SessionEnd.DEVICE_DELETED),
    ChangeKind.DEVICE_DISABLED: ("device", SessionEnd.KICKED),
    ChangeKind.USER: ("user", SessionEnd.CREDENTIALS_CHANGED),
    ChangeKind.API_TOKEN: ("api-token", SessionEnd.CREDENTIALS_CHANGED),
}
"""Kind of owner whose sessions end, and why."""
_NOTED: frozenset[type] = frozenset(
    {
        ReplaceCredentials, DeleteDevice, UpdateDevice, CreateProfile, UpdateProfile, DeleteProfile,
        UpdateUser, DeleteUser, EndUserSession, CreateApiToken, UpdateApiToken, DeleteApiToken,
        ChangeOwner, SignUp, CreateResource, UpdateResource, DeleteResource, ReleaseMember,
    }
)  # fmt: skip
_SCOPED: frozenset[type] = frozenset({SaveAttributes, DeleteAttributes})


def are_changes(batch: Iterable[Write]) -> bool:
    """Say whether a write may have left something in the log of changes, so that it is worth a look at once."""
    for write in batch:
        kind = type(write)
        if kind in _NOTED:
            return True
        if kind in _SCOPED and getattr(write, "scope", None) is Scope.SHARED:
            return True
        if isinstance(write, CreateDevice) and write.member is not None:
            return True
        if isinstance(write, Together) and are_changes(write.writes):
            return True
    return False


class ChangeFollower:
    """Reads the log of changes again and again.

    A poll of one indexed row is cheaper than it is to get notifications right over broken connections, and
    the same on every database. What was missed while the database was away is read when it is back.
    """

    def __init__(
        self,
        storage: Storage,
        profiles: ProfileDirectory,
        sessions: Sessions,
        downlinks: Downlinks,
        changed: asyncio.Event,
    ) -> None:
        """Also look when ``changed`` is set: this process has changed something itself."""
        self._storage = storage
        self._profiles = profiles
        self._sessions = sessions
        self._downlinks = downlinks
        self._changed = changed
        self._watchers: list[tuple[ChangeKind, Callable[[Sequence[Change]], Awaitable[None]]]] = []
        self._last = 0
        self._read_at = time.monotonic()
        self._reading = asyncio.Lock()

    async def start(self) -> None:
        """Take the present as read."""
        self._read_at = time.monotonic()
        self._last = await self._storage.last_change()
        await self._profiles.reload()

    def watch(self, kind: ChangeKind, watcher: Callable[[Sequence[Change]], Awaitable[None]]) -> None:
        """Await ``watcher`` with the changes of a kind, also those that this process has made itself.

        What raises `Unavailable` is told the same changes once more.
        """
        self._watchers.append((kind, watcher))

    async def follow(self) -> None:
        """Poll until cancelled."""
        away = False
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_INTERVAL_S):
                    await self._changed.wait()
            self._changed.clear()
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
        asked_at = time.monotonic()
        async with self._reading:  # two at a time would act twice on what one of them has read
            if self._read_at <= asked_at:  # else somebody has begun to read since
                await self._catch_up()

    async def _catch_up(self) -> None:
        asked_at = time.monotonic()
        changes = await self._storage.changes_since(self._last)
        if any(change.kind is ChangeKind.PROFILE for change in changes):
            await self._profiles.reload()
        for watched, watcher in self._watchers:
            of_kind = [change for change in changes if change.kind is watched]
            if of_kind:
                await watcher(of_kind)
        for change in changes:
            if change.kind in _ENDS and change.detail != TOKEN_CREATED:
                kind, why = _ENDS[change.kind]
                self._sessions.end(Owner(kind, change.ref), why)
            self._last = change.id
        self._downlinks.note(changes)
        self._read_at = asked_at
