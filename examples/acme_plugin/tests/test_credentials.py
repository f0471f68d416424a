"""The generator passes Firstboot's suite, and its signature proves who made a key."""

import pytest
from firstboot_acme.credentials import AcmeKeys, is_genuine

from firstboot.model import WantedCredentials
from firstboot.secret import Secret
from firstboot.testing import CredentialGeneratorConformance

SIGNING_KEY = Secret("the signing key of these tests, long enough")


class TestAcmeKeys(CredentialGeneratorConformance):
    bad = (
        WantedCredentials(type="ACME_KEY", token="a-token-of-its-own"),
        WantedCredentials(type="ACME_KEY", username="some-user", password="some-password"),
        WantedCredentials(type="ACME_KEY", client_id="some-client"),
        WantedCredentials(type="ACME_KEY", certificate="some certificate"),
    )

    @pytest.fixture
    def generator(self) -> AcmeKeys:
        return AcmeKeys(SIGNING_KEY)

    async def test_what_the_device_is_told_is_signed(self, generator: AcmeKeys) -> None:
        told = generator.reveal(generator.issue(WantedCredentials(type="ACME_KEY")))

        assert is_genuine(SIGNING_KEY, told)
        assert not is_genuine(Secret("another signing key that is long enough"), told)

    @pytest.mark.parametrize("part", ["keyId", "key", "signature"])
    async def test_a_changed_or_missing_part_is_noticed(self, generator: AcmeKeys, part: str) -> None:
        told = generator.reveal(generator.issue(WantedCredentials(type="ACME_KEY")))

        assert not is_genuine(SIGNING_KEY, {**told, part: told[part] + "0"})
        assert not is_genuine(SIGNING_KEY, {name: value for name, value in told.items() if name != part})

    async def test_the_same_credentials_are_told_in_the_same_words(self, generator: AcmeKeys) -> None:
        credentials = generator.issue(WantedCredentials(type="ACME_KEY"))

        assert AcmeKeys(SIGNING_KEY).reveal(credentials) == generator.reveal(credentials)
