"""The plugin passes Firstboot's suite, does what section [acme] says, and nothing without it."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from firstboot_acme.config import AcmeConfig
from firstboot_acme.plugin import AcmePlugin

from firstboot.config import Config, ConfigSource
from firstboot.errors import ConfigError
from firstboot.events import Claim, DeviceProvisioned
from firstboot.hookspecs import Change, Refuse
from firstboot.model import Attribute, DeviceProposal, DeviceRef, ProvisioningRequest, Scope
from firstboot.secret import Secret
from firstboot.testing import NOW_MS, ORIGIN, PluginConformance

PROPOSAL = DeviceProposal(name="AC104217-5", profile="sensor", tenant=1)
EVENT = DeviceProvisioned(
    device=DeviceRef(id=7, public_id=UUID(int=7), tenant_id=1, profile_id=1, name="AC104217-5"),
    profile="sensor",
    credentials_type="ACME_KEY",
    how="created",
    origin=ORIGIN,
    at_ms=NOW_MS,
)
CLAIM = Claim(
    device=EVENT.device,
    customer="Smith",
    customer_id=UUID(int=8),
    actor="user:ann@example.com",
    how="claimed",
    origin=ORIGIN,
    at_ms=NOW_MS,
)


def configured(plugin: AcmePlugin, acme: AcmeConfig) -> AcmePlugin:
    """Tell the plugin its settings as a server does."""
    plugin.firstboot_provisioning_strategies(Config({AcmeConfig: acme}))
    return plugin


class TestConfiguredPlugin(PluginConformance):
    @pytest.fixture
    def plugin(self) -> AcmePlugin:
        return AcmePlugin()

    @pytest.fixture
    def config(self) -> Config:
        acme = AcmeConfig(serials=("AC104217-5",), signing_key=Secret("k" * 32))
        return Config({AcmeConfig: acme})


class TestInertPlugin(PluginConformance):
    @pytest.fixture
    def plugin(self) -> AcmePlugin:
        return AcmePlugin()

    def test_without_its_section_it_offers_nothing(self, plugin: AcmePlugin, config: Config) -> None:
        assert list(plugin.firstboot_provisioning_strategies(config)) == []
        assert list(plugin.firstboot_credential_generators(config)) == []

    async def test_without_its_section_it_has_nothing_to_say(
        self, plugin: AcmePlugin, provisioning_request: ProvisioningRequest
    ) -> None:
        request = replace(provisioning_request, facts={"model": "M1"})

        assert await plugin.firstboot_device_provisioning(request, PROPOSAL) is None

    def test_without_its_section_it_writes_nothing(
        self, plugin: AcmePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)

        plugin.firstboot_device_provisioned(EVENT)

        assert list(tmp_path.iterdir()) == []


class TestDeciding:
    @pytest.fixture
    def plugin(self) -> AcmePlugin:
        return configured(AcmePlugin(), AcmeConfig(models={"M1": "Meter, one phase"}, blocked_models=("M0",)))

    async def test_a_blocked_model_is_refused(
        self, plugin: AcmePlugin, provisioning_request: ProvisioningRequest
    ) -> None:
        request = replace(provisioning_request, facts={"model": "M0"})

        answer = await plugin.firstboot_device_provisioning(request, PROPOSAL)

        assert isinstance(answer, Refuse)
        assert answer.code == "acme-model-blocked"

    async def test_a_known_model_is_labelled(
        self, plugin: AcmePlugin, provisioning_request: ProvisioningRequest
    ) -> None:
        request = replace(provisioning_request, facts={"model": "M1"})

        answer = await plugin.firstboot_device_provisioning(request, PROPOSAL)

        assert answer == Change(label="Meter, one phase", attributes=(Attribute(Scope.SERVER, "model", "M1"),))

    @pytest.mark.parametrize("facts", [{}, {"model": "<script>"}, {"model": ""}])
    async def test_words_that_are_not_ours_change_nothing(
        self, plugin: AcmePlugin, provisioning_request: ProvisioningRequest, facts: dict[str, str]
    ) -> None:
        request = replace(provisioning_request, facts=facts)

        assert await plugin.firstboot_device_provisioning(request, PROPOSAL) is None


def code_of(answer: Refuse | None) -> str | None:
    return None if answer is None else answer.code


def test_a_recalled_device_is_claimed_by_nobody() -> None:
    plugin = configured(AcmePlugin(), AcmeConfig(recalled=("AC104217-5",)))
    another = replace(CLAIM, device=replace(CLAIM.device, name="AC104218-3"))

    assert code_of(plugin.firstboot_device_claiming(CLAIM)) == "acme-recalled"
    assert plugin.firstboot_device_claiming(another) is None
    assert plugin.firstboot_device_releasing(CLAIM) is None


def test_a_rented_device_is_given_back_by_nobody() -> None:
    plugin = configured(AcmePlugin(), AcmeConfig(rented=("AC104217-5",)))
    another = replace(CLAIM, device=replace(CLAIM.device, name="AC104218-3"))

    assert code_of(plugin.firstboot_device_releasing(replace(CLAIM, how="released"))) == "acme-rented"
    assert plugin.firstboot_device_releasing(another) is None
    assert plugin.firstboot_device_claiming(CLAIM) is None


def test_each_owner_gets_a_line(tmp_path: Path) -> None:
    plugin = configured(AcmePlugin(), AcmeConfig(log_file=tmp_path / "acme.log"))

    plugin.firstboot_device_claimed(CLAIM)
    plugin.firstboot_device_released(replace(CLAIM, how="released"))

    assert (tmp_path / "acme.log").read_text().splitlines() == [
        "2023-11-14T22:13:20+00:00 AC104217-5 claimed by Smith",
        "2023-11-14T22:13:20+00:00 AC104217-5 not Smith's any more",
    ]


def test_each_device_gets_a_line(tmp_path: Path) -> None:
    plugin = configured(AcmePlugin(), AcmeConfig(log_file=tmp_path / "acme.log"))

    plugin.firstboot_device_provisioned(EVENT)
    plugin.firstboot_device_provisioned(replace(EVENT, device=replace(EVENT.device, name="AC104218-3")))

    assert (tmp_path / "acme.log").read_text().splitlines() == [
        "2023-11-14T22:13:20+00:00 AC104217-5 created ACME_KEY test",
        "2023-11-14T22:13:20+00:00 AC104218-3 created ACME_KEY test",
    ]


@pytest.mark.parametrize(
    ("settings", "path", "hint"),
    [
        ({"serials": ["AC104217-5", "AC104218-4"]}, "acme.serials.1", "check digit"),
        ({"serials": ["meter-7"]}, "acme.serials.0", "a serial number is AC"),
        ({"signing_key": "too short"}, "acme.signing_key", "at least 32"),
        ({"serial": []}, "acme.serial", "serials"),
    ],
)
def test_a_mistake_in_the_section_is_named_with_its_place(
    settings: dict[str, object], path: str, hint: str
) -> None:
    source = ConfigSource.read(None, {}, {"acme": settings})

    with pytest.raises(ConfigError) as caught:
        source.check({"acme": AcmeConfig})

    (problem,) = caught.value.problems
    assert problem.path == path
    assert hint in str(problem)
    assert "too short" not in str(problem)
