"""What every storage must hold to, as tests to inherit."""

from __future__ import annotations

from firstboot.testing.storage_batches import BatchTests
from firstboot.testing.storage_credentials import CredentialTests
from firstboot.testing.storage_devices import DeviceTests
from firstboot.testing.storage_profiles import ProfileTests
from firstboot.testing.storage_random import RandomTests
from firstboot.testing.storage_reads import ReadTests


class StorageConformance(DeviceTests, CredentialTests, ProfileTests, BatchTests, ReadTests, RandomTests):
    """Every promise of `firstboot.storage.Storage`.

    Inherit, and override the fixture ``open_storage``: it returns an async function that opens the storage,
    empty when a test begins, and on the same data when it is called again. Override ``add_tenant`` to test
    the borders between tenants, and set ``opens_twice`` to False if the data cannot be open twice.
    """
