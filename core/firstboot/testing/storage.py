"""What every storage must hold to, as tests to inherit."""

from __future__ import annotations

from firstboot.testing.storage_audit import AuditTests
from firstboot.testing.storage_batches import BatchTests
from firstboot.testing.storage_certificates import RevocationTests
from firstboot.testing.storage_claims import ClaimWindowTests
from firstboot.testing.storage_credentials import CredentialTests
from firstboot.testing.storage_customers import CustomerTests
from firstboot.testing.storage_data import DataTests
from firstboot.testing.storage_devices import DeviceTests
from firstboot.testing.storage_leases import LeaseTests
from firstboot.testing.storage_owners import OwnerTests
from firstboot.testing.storage_pages import PageTests
from firstboot.testing.storage_pools import PoolTests
from firstboot.testing.storage_profiles import ProfileTests
from firstboot.testing.storage_random import RandomTests
from firstboot.testing.storage_random_claims import RandomClaimTests
from firstboot.testing.storage_random_pools import RandomPoolTests
from firstboot.testing.storage_random_together import RandomTogetherTests
from firstboot.testing.storage_reads import ReadTests
from firstboot.testing.storage_resources import ResourceTests, RowTests
from firstboot.testing.storage_sign_up import SignUpTests
from firstboot.testing.storage_together import TogetherTests
from firstboot.testing.storage_tokens import TokenTests
from firstboot.testing.storage_updates import UpdateTests
from firstboot.testing.storage_users import UserTests
from firstboot.testing.storage_uses import UseTests


class StorageConformance(
    DeviceTests,
    UpdateTests,
    DataTests,
    CredentialTests,
    RevocationTests,
    ProfileTests,
    CustomerTests,
    UserTests,
    TokenTests,
    PoolTests,
    LeaseTests,
    UseTests,
    ResourceTests,
    RowTests,
    TogetherTests,
    ClaimWindowTests,
    OwnerTests,
    SignUpTests,
    PageTests,
    AuditTests,
    BatchTests,
    ReadTests,
    RandomTests,
    RandomClaimTests,
    RandomPoolTests,
    RandomTogetherTests,
):
    """Every promise of `firstboot.storage.Storage`.

    Inherit, and override the fixture ``open_storage``: it returns an async function that opens the storage,
    empty when a test begins, and on the same data when it is called again. Set ``opens_twice`` to False if
    the data cannot be open twice.
    """
