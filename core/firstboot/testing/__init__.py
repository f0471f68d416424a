"""The kit for plugin authors: suites to inherit, a storage in memory, and ready-made values.

Needs ``pip install firstboot[testing]``.
"""

import pytest

# Before they are imported: a failed assertion then shows the values, as in any test module.
pytest.register_assert_rewrite(
    "firstboot.testing.credentials",
    "firstboot.testing.plugin",
    "firstboot.testing.storage_audit",
    "firstboot.testing.storage_base",
    "firstboot.testing.storage_batches",
    "firstboot.testing.storage_claims",
    "firstboot.testing.storage_credentials",
    "firstboot.testing.storage_customers",
    "firstboot.testing.storage_data",
    "firstboot.testing.storage_devices",
    "firstboot.testing.storage_owners",
    "firstboot.testing.storage_pages",
    "firstboot.testing.storage_profiles",
    "firstboot.testing.storage_random",
    "firstboot.testing.storage_random_claims",
    "firstboot.testing.storage_reads",
    "firstboot.testing.storage_sign_up",
    "firstboot.testing.storage_tokens",
    "firstboot.testing.storage_updates",
    "firstboot.testing.storage_users",
    "firstboot.testing.strategies",
)

from firstboot.testing.credentials import CredentialGeneratorConformance  # noqa: E402
from firstboot.testing.leaks import NoLeaks, no_leaks  # noqa: E402
from firstboot.testing.memory import MemoryStorage  # noqa: E402
from firstboot.testing.plugin import PluginConformance  # noqa: E402
from firstboot.testing.samples import (  # noqa: E402
    NOW_MS,
    ORIGIN,
    a_claim,
    a_claim_window,
    a_customer,
    a_device,
    a_profile,
    a_provisioned_device,
    a_request,
    a_resource,
    a_tenant,
    a_user,
    a_user_session,
    an_api_token,
    an_audit_entry,
)
from firstboot.testing.storage import StorageConformance  # noqa: E402
from firstboot.testing.storage_base import OpenStorage  # noqa: E402
from firstboot.testing.strategies import FakeFinder, StrategyConformance  # noqa: E402

__all__ = [
    "NOW_MS",
    "ORIGIN",
    "CredentialGeneratorConformance",
    "FakeFinder",
    "MemoryStorage",
    "NoLeaks",
    "OpenStorage",
    "PluginConformance",
    "StorageConformance",
    "StrategyConformance",
    "a_claim",
    "a_claim_window",
    "a_customer",
    "a_device",
    "a_profile",
    "a_provisioned_device",
    "a_request",
    "a_resource",
    "a_tenant",
    "a_user",
    "a_user_session",
    "an_api_token",
    "an_audit_entry",
    "no_leaks",
]
