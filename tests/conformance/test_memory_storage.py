"""The storage in memory keeps the promises of a storage."""

from __future__ import annotations

import pytest

from firstboot.storage import Storage
from firstboot.testing import MemoryStorage, OpenStorage, StorageConformance


class TestMemoryStorage(StorageConformance):
    @pytest.fixture
    def open_storage(self) -> OpenStorage:
        data = MemoryStorage()

        async def open_() -> Storage:
            return MemoryStorage(same_as=data)

        return open_
