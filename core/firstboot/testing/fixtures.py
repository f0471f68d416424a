"""Fixtures for the tests of a plugin: ``pytest_plugins = ["firstboot.testing.fixtures"]`` in a conftest.py."""

from __future__ import annotations

import pytest

from firstboot.keyring import Keyring
from firstboot.model import Device, DeviceProfile, ProvisioningRequest
from firstboot.testing import FakeFinder, MemoryStorage, a_device, a_profile, a_request


@pytest.fixture
def memory_storage() -> MemoryStorage:
    """Return an empty storage in memory."""
    return MemoryStorage()


@pytest.fixture
def keyring() -> Keyring:
    """Return the keys of a new installation."""
    return Keyring.generate()


@pytest.fixture
def profile() -> DeviceProfile:
    """Return a device profile."""
    return a_profile()


@pytest.fixture
def device() -> Device:
    """Return a device of `profile` that waits to be provisioned."""
    return a_device()


@pytest.fixture
def provisioning_request() -> ProvisioningRequest:
    """Return the request of a device that brings no credentials."""
    return a_request()


@pytest.fixture
def finder(device: Device) -> FakeFinder:
    """Return a finder that knows `device` and no other."""
    return FakeFinder(device)
