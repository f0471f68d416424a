"""The strategy passes Firstboot's suite, and keeps to the list."""

import pytest
from firstboot_acme.strategy import SerialList

from firstboot.errors import ProvisioningRefused
from firstboot.model import DeviceProfile, ProvisioningRequest
from firstboot.strategies import CreateNew
from firstboot.testing import FakeFinder, StrategyConformance

LISTED = "AC104217-5"


class TestSerialList(StrategyConformance):
    own_codes = frozenset({"acme-no-serial", "acme-bad-serial", "acme-unknown-serial"})

    @pytest.fixture
    def strategy(self) -> SerialList:
        return SerialList([LISTED])

    async def test_a_listed_serial_number_gets_a_device_of_that_name(
        self,
        strategy: SerialList,
        provisioning_request: ProvisioningRequest,
        profile: DeviceProfile,
        finder: FakeFinder,
    ) -> None:
        decision = strategy.decide(LISTED, provisioning_request, profile, finder)

        assert decision == CreateNew(LISTED)

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            (None, "acme-no-serial"),
            ("meter-7", "acme-bad-serial"),
            ("AC104217-6", "acme-bad-serial"),
            ("AC104218-3", "acme-unknown-serial"),
        ],
    )
    async def test_any_other_name_is_refused_with_its_own_code(
        self,
        strategy: SerialList,
        provisioning_request: ProvisioningRequest,
        profile: DeviceProfile,
        finder: FakeFinder,
        name: str | None,
        code: str,
    ) -> None:
        with pytest.raises(ProvisioningRefused) as caught:
            strategy.decide(name, provisioning_request, profile, finder)

        assert caught.value.code == code
