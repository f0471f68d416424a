"""Profiles in memory are those of the latest read, whichever read ends last."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from firstboot.clock import Clock
from firstboot.keyring import Keyring
from firstboot.model import DeviceProfile
from firstboot.profile_directory import ProfileDirectory
from firstboot.testing.memory import MemoryStorage
from firstboot.testing.samples import a_profile


class SlowFirst(MemoryStorage):
    """A database with several connections, the first of which is slow to tell what it has read."""

    def __init__(self, profile: DeviceProfile) -> None:
        super().__init__()
        self.profiles: Sequence[DeviceProfile] = [profile]
        self.has_read = asyncio.Event()
        self.go_on = asyncio.Event()

    async def all_profiles(self) -> Sequence[DeviceProfile]:
        found = self.profiles
        if not self.has_read.is_set():
            self.has_read.set()
            await self.go_on.wait()
        return found


async def test_what_was_read_first_does_not_replace_what_was_read_last() -> None:
    storage = SlowFirst(a_profile())
    directory = ProfileDirectory(storage, Keyring.generate(), Clock())
    first = asyncio.create_task(directory.reload())
    await storage.has_read.wait()
    storage.profiles = []
    second = asyncio.create_task(directory.reload())
    await asyncio.sleep(0)  # it has its turn: without the lock it would have read

    storage.go_on.set()
    await asyncio.gather(first, second)

    assert directory.all() == []
