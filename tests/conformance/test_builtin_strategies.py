"""The built-in strategies pass the suite for plugin authors, and keep the ThingsBoard contract (PR-6, PR-7)."""

from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import pluggy
import pytest
from tests.integration.tls.making import authority, issue

from firstboot import hookspecs
from firstboot.config import Config
from firstboot.errors import ProfileNotProven, ProvisioningRefused
from firstboot.model import Credentials, DeviceProfile, PeerCertificate, ProvisioningRequest
from firstboot.secret import Secret
from firstboot.strategies import CreateNew, GiveNew, HandOutExisting, TakeFromPool
from firstboot.testing import (
    FakeFinder,
    StrategyConformance,
    a_device,
    a_profile,
    a_provisioned_device,
    a_request,
)
from firstboot_plugins.credentials.lookup_ids import chain_hash
from firstboot_plugins.strategies import (
    allow_create_new,
    check_pre_provisioned,
    disabled,
    pool,
    x509_certificate_chain,
)
from firstboot_plugins.strategies.allow_create_new import AllowCreateNew
from firstboot_plugins.strategies.authority_proof import counted
from firstboot_plugins.strategies.check_pre_provisioned import CheckPreProvisioned
from firstboot_plugins.strategies.disabled import Disabled
from firstboot_plugins.strategies.pool import Pool
from firstboot_plugins.strategies.x509_certificate_chain import X509CertificateChain


class TestAllowCreateNew(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> AllowCreateNew:
        return AllowCreateNew()

    @pytest.mark.parametrize("name", ["meter-7", None])
    async def test_pr_6_it_asks_for_a_new_device_without_looking(
        self, strategy: AllowCreateNew, name: str | None
    ) -> None:
        finder = FakeFinder(a_device("meter-7"))

        decision = strategy.decide(name, a_request(name), a_profile(), finder)

        assert decision == CreateNew(name)
        assert finder.asked == []


class TestCheckPreProvisioned(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> CheckPreProvisioned:
        return CheckPreProvisioned()

    async def test_pr_7_it_hands_out_the_device_of_that_name(self, strategy: CheckPreProvisioned) -> None:
        device = a_device("meter-7")

        decision = await strategy.decide("meter-7", a_request(), a_profile(), FakeFinder(device))

        assert decision == HandOutExisting(device)

    async def test_a_device_that_was_provisioned_before_is_left_to_the_retry_policy(
        self, strategy: CheckPreProvisioned
    ) -> None:
        device = a_provisioned_device("meter-7")

        decision = await strategy.decide("meter-7", a_request(), a_profile(), FakeFinder(device))

        assert decision == HandOutExisting(device)

    async def test_pr_6_a_request_without_name_is_refused_without_looking(
        self, strategy: CheckPreProvisioned
    ) -> None:
        finder = FakeFinder(a_device("meter-7"))

        with pytest.raises(ProvisioningRefused, match="no name") as caught:
            await strategy.decide(None, a_request(None), a_profile(), finder)

        assert caught.value.code == "not-pre-provisioned"
        assert finder.asked == []

    async def test_pr_6_an_unknown_device_is_refused(self, strategy: CheckPreProvisioned) -> None:
        with pytest.raises(ProvisioningRefused, match="'meter-8'") as caught:
            await strategy.decide("meter-8", a_request(), a_profile(), FakeFinder(a_device("meter-7")))

        assert caught.value.code == "not-pre-provisioned"

    async def test_pr_6_a_device_of_another_profile_is_refused(self, strategy: CheckPreProvisioned) -> None:
        device = a_device("meter-7", profile_id=2)

        with pytest.raises(ProvisioningRefused, match="not of profile 'sensor'") as caught:
            await strategy.decide("meter-7", a_request(), a_profile(id=1), FakeFinder(device))

        assert caught.value.code == "not-pre-provisioned"


class TestDisabled(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Disabled:
        return Disabled()

    async def test_pr_6_it_refuses_as_if_the_profile_did_not_exist(self, strategy: Disabled) -> None:
        finder = FakeFinder(a_device("meter-7"))

        with pytest.raises(ProfileNotProven, match="'sensor'") as caught:
            strategy.decide("meter-7", a_request(), a_profile(), finder)

        assert caught.value.code == "strategy-disabled"
        assert finder.asked == []


class TestPool(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Pool:
        return Pool()

    async def test_it_takes_a_member_for_the_hardware_that_the_name_says(self, strategy: Pool) -> None:
        finder = FakeFinder(a_device("AABBCC"))

        decision = strategy.decide("AABBCC", a_request(), a_profile(), finder)

        assert decision == TakeFromPool(hardware_id="AABBCC", lease=timedelta(minutes=10))
        assert finder.asked == []


class TestPoolThatMakesDevices(StrategyConformance):
    """The same where hardware must be known, and gets a new device when none is ready."""

    @pytest.fixture
    def strategy(self) -> Pool:
        return Pool()

    @pytest.fixture
    def profile(self, strategy: Pool) -> DeviceProfile:
        options = {"on_empty": "create", "id_pattern": "new-{seq:05d}", "hardware_ids": ["meter-7"]}
        return a_profile(strategy=strategy.name, id=1, details={"pool": options})

    async def test_hardware_that_is_not_on_the_list_is_refused(
        self, strategy: Pool, profile: DeviceProfile
    ) -> None:
        with pytest.raises(ProvisioningRefused, match="'meter-8'") as caught:
            strategy.decide("meter-8", a_request(), profile, FakeFinder())

        assert caught.value.code == "hardware-not-allowed"


MAKER = authority("maker")


class TestX509CertificateChain(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> X509CertificateChain:
        return X509CertificateChain()

    async def test_pr_6_a_request_by_key_is_refused_as_if_the_profile_did_not_exist(
        self, strategy: X509CertificateChain
    ) -> None:
        finder = FakeFinder(a_device("meter-7"))

        with pytest.raises(ProfileNotProven, match="'sensor'") as caught:
            await strategy.decide("meter-7", a_request(), a_profile(), finder)

        assert caught.value.code == "certificate-needed"
        assert finder.asked == []


class TestX509CertificateChainWithCertificate(StrategyConformance):
    """The same with a device that has shown what it should."""

    @pytest.fixture
    def strategy(self) -> X509CertificateChain:
        return X509CertificateChain()

    @pytest.fixture
    def profile(self, strategy: X509CertificateChain) -> DeviceProfile:
        made = a_profile(strategy=strategy.name, id=1, details={"allowCreateNewDevicesByX509Certificate": True})
        return counted(replace(made, provision_key=chain_hash(MAKER.pem.decode())), MAKER.pem.decode())

    @pytest.fixture
    def asked(self) -> ProvisioningRequest:
        device = issue("meter-7", by=MAKER)
        shown = PeerCertificate(der=device.der, chain=(MAKER.der,))
        request = a_request()
        return replace(
            request, secret=Secret(MAKER.pem.decode()), origin=replace(request.origin, certificate=shown)
        )

    async def test_px_3_it_makes_a_device_of_the_common_name(
        self, strategy: X509CertificateChain, profile: DeviceProfile, asked: ProvisioningRequest
    ) -> None:
        assert await strategy.decide(None, asked, profile, FakeFinder()) == CreateNew("meter-7")

    @pytest.mark.parametrize("other", [{"provision_key": "another"}, {"details": {}}], ids=["key", "proof"])
    async def test_pv_11_an_authority_that_does_not_count_proves_nothing(
        self,
        strategy: X509CertificateChain,
        profile: DeviceProfile,
        asked: ProvisioningRequest,
        other: dict[str, Any],
    ) -> None:
        with pytest.raises(ProfileNotProven, match="not proven to have the authority's key") as caught:
            await strategy.decide(None, asked, replace(profile, **other), FakeFinder())

        assert caught.value.code == "certificate-not-trusted"

    async def test_px_4_it_gives_the_device_of_that_name_a_new_certificate(
        self, strategy: X509CertificateChain, profile: DeviceProfile, asked: ProvisioningRequest
    ) -> None:
        device = a_device("meter-7", profile_id=1)

        decision = await strategy.decide("meter-7", asked, profile, FakeFinder(device))

        assert isinstance(decision, GiveNew)
        assert decision.device == device
        with pytest.raises(ProvisioningRefused):
            decision.judge(Credentials("ACCESS_TOKEN", "a-token"))


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        (allow_create_new, AllowCreateNew),
        (check_pre_provisioned, CheckPreProvisioned),
        (disabled, Disabled),
        (pool, Pool),
        (x509_certificate_chain, X509CertificateChain),
    ],
)
def test_each_is_offered_through_the_public_hook(plugin: ModuleType, expected: type) -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()

    offers = manager.hook.firstboot_provisioning_strategies(config=Config({}))

    assert [type(strategy) for offer in offers for strategy in offer] == [expected]
    assert plugin.FIRSTBOOT_API == hookspecs.API_VERSION
