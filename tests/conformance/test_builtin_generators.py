"""The built-in credential generators pass the suite for plugin authors, and keep the ThingsBoard contract."""

import json
import string
from types import ModuleType

import pluggy
import pytest

from firstboot import hookspecs
from firstboot.config import Config
from firstboot.errors import ProvisioningRefused
from firstboot.model import Credentials, WantedCredentials
from firstboot.testing import CredentialGeneratorConformance
from firstboot_plugins.credentials import access_token, mqtt_basic, x509_certificate
from firstboot_plugins.credentials.access_token import AccessTokens
from firstboot_plugins.credentials.lookup_ids import mqtt_basic_id
from firstboot_plugins.credentials.mqtt_basic import MqttBasic
from firstboot_plugins.credentials.x509_certificate import X509Certificates

PEM = "-----BEGIN CERTIFICATE-----\nAAEC\nAwQF\n-----END CERTIFICATE-----\n"


class TestAccessTokens(CredentialGeneratorConformance):
    good = (
        WantedCredentials(token="A1_TEST_TOKEN"),
        WantedCredentials(token="  spaces stay  "),
        WantedCredentials(token="Ünïcode-\N{GRINNING FACE}"),
    )
    bad = (
        WantedCredentials(username="only-a-user", password="and-a-password"),
        WantedCredentials(client_id="only-a-client"),
        WantedCredentials(certificate=PEM),
    )

    @pytest.fixture
    def generator(self) -> AccessTokens:
        return AccessTokens()

    async def test_pr_13_a_generated_token_has_20_letters_and_digits(self, generator: AccessTokens) -> None:
        credentials = generator.issue(WantedCredentials())

        assert len(credentials.id) == 20
        assert set(credentials.id) <= set(string.ascii_letters + string.digits)
        assert credentials.value is None

    async def test_pr_14_a_token_is_taken_untrimmed_and_is_its_own_id(self, generator: AccessTokens) -> None:
        credentials = generator.issue(WantedCredentials(token=" token\u00a0"))

        assert credentials == Credentials("ACCESS_TOKEN", " token\u00a0")
        assert generator.reveal(credentials) == " token\u00a0"


class TestMqttBasic(CredentialGeneratorConformance):
    good = (
        WantedCredentials(type="MQTT_BASIC", username="some-user"),
        WantedCredentials(type="MQTT_BASIC", username="other-user", password="some-password"),
        WantedCredentials(type="MQTT_BASIC", client_id="some-client"),
        WantedCredentials(type="MQTT_BASIC", client_id="some-client", username="some-user"),
        WantedCredentials(type="MQTT_BASIC", client_id="b-client", username="b-user", password="b-password"),
    )
    bad = (
        WantedCredentials(type="MQTT_BASIC", password="only-a-password"),
        WantedCredentials(type="MQTT_BASIC", client_id="some-client", password="without-a-user"),
        WantedCredentials(type="MQTT_BASIC", token="only-a-token"),
        WantedCredentials(type="MQTT_BASIC", certificate=PEM),
    )

    @pytest.fixture
    def generator(self) -> MqttBasic:
        return MqttBasic()

    async def test_pr_14_the_value_has_all_three_keys_and_missing_ones_are_empty(
        self, generator: MqttBasic
    ) -> None:
        credentials = generator.issue(WantedCredentials(type="MQTT_BASIC", username="u"))

        assert credentials.value == '{"clientId":"","userName":"u","password":""}'
        assert credentials.id == "u"

    async def test_pr_14_the_device_is_told_the_three_keys_in_the_contracts_order(
        self, generator: MqttBasic
    ) -> None:
        credentials = generator.issue(
            WantedCredentials(type="MQTT_BASIC", password="p1", username="u1", client_id="c1")
        )

        assert (
            json.dumps(generator.reveal(credentials)) == '{"clientId": "c1", "userName": "u1", "password": "p1"}'
        )

    async def test_3_2_the_id_of_client_and_user_is_the_contracts_hash(self, generator: MqttBasic) -> None:
        wanted = WantedCredentials(type="MQTT_BASIC", client_id="test_clientId", username="test_username")

        credentials = generator.issue(wanted)

        assert credentials.id == "b9f1b0bf238dddae689babba0a210fe42bc97ddb07620b5a07d7208dd5528db2"

    async def test_parts_that_an_administrator_left_out_are_told_as_null(self, generator: MqttBasic) -> None:
        credentials = Credentials("MQTT_BASIC", "u", '{"password":null,"userName":"u"}')

        assert generator.reveal(credentials) == {"clientId": None, "userName": "u", "password": None}

    async def test_generated_credentials_have_three_random_parts(self, generator: MqttBasic) -> None:
        parts = [generator.reveal(generator.issue(WantedCredentials(type="MQTT_BASIC"))) for _ in range(100)]

        for field in ("clientId", "userName", "password"):
            assert len({each[field] for each in parts}) == 100
        # MQTT 3.1 (and 3.1.1, MQTT-3.1.3-5): the client ids that every server takes.
        assert all(1 <= len(each["clientId"]) <= 23 for each in parts)

    async def test_pv_6_renewing_keeps_the_client_id_and_draws_another_login(self, generator: MqttBasic) -> None:
        before = generator.issue(
            WantedCredentials(type="MQTT_BASIC", client_id="c1", username="u1", password="p1")
        )

        after = generator.renew(before)

        # The old login stays valid for a while beside the new one, so they are looked up by different ids.
        assert after.id != before.id
        told = generator.reveal(after)
        assert told["clientId"] == "c1"
        assert told["userName"] not in ("u1", "", None)
        assert told["password"] != "p1"
        assert len(told["password"]) >= 22

    async def test_what_is_renewed_is_found_by_what_the_device_is_told(self, generator: MqttBasic) -> None:
        before = generator.issue(WantedCredentials(type="MQTT_BASIC", client_id="c1", username="u1"))

        after = generator.renew(before)

        told = generator.reveal(after)
        assert after.id == mqtt_basic_id("c1", told["userName"])

    async def test_a_client_id_alone_cannot_be_renewed(self, generator: MqttBasic) -> None:
        credentials = generator.issue(WantedCredentials(type="MQTT_BASIC", client_id="c1"))

        with pytest.raises(ProvisioningRefused) as caught:
            generator.renew(credentials)

        assert caught.value.code == "cannot-rotate"


class TestX509Certificates(CredentialGeneratorConformance):
    generates = False
    good = (
        WantedCredentials(type="X509_CERTIFICATE", certificate=PEM),
        WantedCredentials(type="X509_CERTIFICATE", certificate="not a certificate at all"),
    )

    @pytest.fixture
    def generator(self) -> X509Certificates:
        return X509Certificates()

    async def test_pr_14_the_text_is_stored_as_one_line_and_not_parsed(self, generator: X509Certificates) -> None:
        credentials = generator.issue(WantedCredentials(type="X509_CERTIFICATE", certificate=PEM))

        assert credentials.value == "AAECAwQF"
        assert generator.reveal(credentials) == "AAECAwQF"

    async def test_2_5_the_id_is_the_contracts_hash(self, generator: X509Certificates) -> None:
        credentials = generator.issue(WantedCredentials(type="X509_CERTIFICATE", certificate="test\r\nHash\n"))

        assert credentials.id == "57f6600424d6553263f1f32e0117012894a36fbf07e3e9c3c556272f86b7d985"

    async def test_pr_14_an_empty_certificate_beside_another_field_has_the_id_of_nothing(
        self, generator: X509Certificates
    ) -> None:
        credentials = generator.issue(WantedCredentials(type="X509_CERTIFICATE", token="t"))

        assert credentials.id == "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"
        assert generator.reveal(credentials) == ""

    async def test_a_certificate_cannot_be_renewed_by_the_server(self, generator: X509Certificates) -> None:
        credentials = generator.issue(WantedCredentials(type="X509_CERTIFICATE", certificate=PEM))

        with pytest.raises(ProvisioningRefused) as caught:
            generator.renew(credentials)

        assert caught.value.code == "cannot-rotate"


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [(access_token, AccessTokens), (mqtt_basic, MqttBasic), (x509_certificate, X509Certificates)],
)
def test_each_is_offered_through_the_public_hook(plugin: ModuleType, expected: type) -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()

    offers = manager.hook.firstboot_credential_generators(config=Config({}))

    assert [type(generator) for offer in offers for generator in offer] == [expected]
    assert plugin.FIRSTBOOT_API == hookspecs.API_VERSION
