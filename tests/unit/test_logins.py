"""Credentials of a device that was switched off open nothing, whatever the dialect."""

from __future__ import annotations

import logging

import pytest
from tests.unit.memory_services import MemoryServices

from firstboot.logins import Logins
from firstboot.profile_directory import ProfileDirectory
from firstboot.throttle import FailureThrottle


async def test_mq_10_credentials_of_a_disabled_device_are_not_found_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "firstboot")
    services = MemoryServices()
    throttle = FailureThrottle(per_minute=3, max_delay_s=0, monotonic=services.clock.monotonic)
    profiles = ProfileDirectory(services.storage, services.keyring, services.clock)
    logins = Logins(services.storage, services.commits, services.keyring, profiles, throttle, services.clock)
    device = await services.device()
    token = (await services.devices.credentials(device)).id
    assert list(await logins.find(token)) == [token]

    disabled = await services.devices.set_enabled(device, False, actor="test")
    for _ in range(10):
        assert await logins.find(token) == {}
    lines = [record for record in caplog.records if getattr(record, "code", "") == "device-disabled"]
    assert [record.__dict__["device"] for record in lines] == ["meter-7"] * 3  # SE-6: no flood
    assert token not in caplog.text

    await services.devices.set_enabled(disabled, True, actor="test")
    assert list(await logins.find(token)) == [token]
