"""What every credential generator must hold to, as tests to inherit."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from firstboot.credentials import CredentialGenerator
from firstboot.errors import ProvisioningRefused
from firstboot.model import Credentials, WantedCredentials
from firstboot.testing._settling import settled
from firstboot.testing.leaks import NoLeaks

_SAMPLE = 10_000
_ENOUGH = 2**100
_CONTROL_CHARACTERS = ("\x00", "\t", "\n", "\r", "\x1b", "\x1f", "\x7f")
# Not the certificate: PEM has line ends.
_TEXT_FIELDS = ("token", "client_id", "username", "password")
_SECRET_FIELDS = ("token", "password")


@pytest.mark.asyncio
class CredentialGeneratorConformance(NoLeaks):
    """Inherit, override the fixture ``generator``, and list credentials in ``good`` and ``bad``."""

    generates: ClassVar[bool] = True
    """Whether it can make credentials for a device that brings none; otherwise it has to refuse."""
    good: ClassVar[Sequence[WantedCredentials]] = ()
    """Credentials that a device may bring. No two may be the same."""
    bad: ClassVar[Sequence[WantedCredentials]] = ()
    """Credentials that have to be refused."""

    @pytest.fixture
    def generator(self) -> CredentialGenerator:
        """Return the generator under test."""
        raise NotImplementedError("Override the fixture 'generator' to return yours.")

    async def issued(self, generator: CredentialGenerator) -> list[Credentials]:
        """Return credentials of each way in which it issues them."""
        wanted = [*self.good, WantedCredentials(type=generator.type)] if self.generates else self.good
        return [await settled(generator.issue(each)) for each in wanted]

    async def generated(self, generator: CredentialGenerator) -> list[Credentials]:
        """Return many credentials that it made; skips where it makes none."""
        if not self.generates:
            pytest.skip("it takes only what devices bring")
        nothing = WantedCredentials(type=generator.type)
        return [await settled(generator.issue(nothing)) for _ in range(_SAMPLE)]

    async def test_its_type_is_one_word(self, generator: CredentialGenerator) -> None:
        assert generator.type.isprintable()
        assert generator.type.split() == [generator.type]

    async def test_there_is_something_to_test(self, generator: CredentialGenerator) -> None:
        assert await self.issued(generator), "list credentials in 'good', or set 'generates'"

    async def test_credentials_are_of_its_type(self, generator: CredentialGenerator) -> None:
        for credentials in await self.issued(generator):
            assert isinstance(credentials, Credentials)
            assert credentials.type == generator.type
            assert credentials.id

    async def test_a_device_that_brings_nothing_gets_credentials_or_a_refusal(
        self, generator: CredentialGenerator
    ) -> None:
        nothing = WantedCredentials(type=generator.type)

        if self.generates:
            assert (await settled(generator.issue(nothing))).id
        else:
            await _refused(generator, nothing)

    async def test_generated_credentials_are_unique(self, generator: CredentialGenerator) -> None:
        generated = await self.generated(generator)

        assert len({credentials.id for credentials in generated}) == _SAMPLE
        assert len({_secret(credentials) for credentials in generated}) == _SAMPLE

    async def test_generated_credentials_are_too_random_to_guess(self, generator: CredentialGenerator) -> None:
        secrets = [_secret(credentials) for credentials in await self.generated(generator)]

        # How many characters each position can have, as far as it is seen: constant parts count nothing.
        possibilities = math.prod(len(set(position)) for position in zip(*secrets, strict=False))
        assert possibilities >= _ENOUGH

    async def test_different_credentials_have_different_ids(self, generator: CredentialGenerator) -> None:
        credentials = await self.issued(generator)

        assert len({each.id for each in credentials}) == len(credentials)

    async def test_what_a_device_brings_is_taken_the_same_way_each_time(
        self, generator: CredentialGenerator
    ) -> None:
        for wanted in self.good:
            first = await settled(generator.issue(wanted))
            second = await settled(generator.issue(wanted))

            assert first == second

    async def test_bad_credentials_are_refused(self, generator: CredentialGenerator) -> None:
        for wanted in self.bad:
            await _refused(generator, wanted)

    async def test_control_characters_are_refused(self, generator: CredentialGenerator) -> None:
        for wanted in self.good:
            for spoilt in _with_control_characters(wanted):
                await _refused(generator, spoilt)

    async def test_a_refusal_does_not_repeat_a_secret(self, generator: CredentialGenerator) -> None:
        for wanted in [*self.bad, *(each for good in self.good for each in _with_control_characters(good))]:
            refusal = await _refused(generator, wanted)

            for field in _SECRET_FIELDS:
                secret = getattr(wanted, field)
                # One or two characters may be part of any sentence.
                assert not (secret and len(secret) > 2 and secret in str(refusal))

    async def test_what_the_device_is_told_is_json(self, generator: CredentialGenerator) -> None:
        for credentials in await self.issued(generator):
            told = generator.reveal(credentials)

            text = json.dumps(told if told is None or isinstance(told, str) else dict(told), allow_nan=False)
            assert json.loads(text) == told

    async def test_credentials_are_the_same_after_they_were_stored(self, generator: CredentialGenerator) -> None:
        for credentials in await self.issued(generator):
            stored = Credentials.from_json(credentials.to_json())

            assert stored == credentials
            if credentials.told is None:  # else nobody can be told a second time
                assert generator.reveal(stored) == generator.reveal(credentials)

    async def test_no_repr_shows_a_secret(self, generator: CredentialGenerator) -> None:
        for credentials in await self.issued(generator):
            shown = repr(credentials) + repr(generator)

            assert credentials.id not in shown
            assert not credentials.value or credentials.value not in shown

    async def test_renewing_gives_others_or_is_refused(self, generator: CredentialGenerator) -> None:
        for credentials in await self.issued(generator):
            renewed = await _renewed(generator, credentials)

            assert {each.type for each in renewed} <= {generator.type}
            assert len({_secret(each) for each in (credentials, *renewed)}) == 1 + len(renewed)


async def _renewed(generator: CredentialGenerator, credentials: Credentials) -> list[Credentials]:
    """Renew a few times; return nothing where the device alone can make such credentials."""
    try:
        return [await settled(generator.renew(credentials)) for _ in range(3)]
    except ProvisioningRefused as refusal:
        if refusal.code != "cannot-rotate":
            raise
        return []


def _secret(credentials: Credentials) -> str:
    """Return the part that nobody may guess."""
    return credentials.value if credentials.value is not None else credentials.id


def _with_control_characters(wanted: WantedCredentials) -> Iterator[WantedCredentials]:
    for field in _TEXT_FIELDS:
        text = getattr(wanted, field)
        if text:
            for character in _CONTROL_CHARACTERS:
                yield replace(wanted, **{field: character + text})
                yield replace(wanted, **{field: text + character})
                yield replace(wanted, **{field: text[:1] + character + text[1:]})


async def _refused(generator: CredentialGenerator, wanted: WantedCredentials) -> ProvisioningRefused:
    with pytest.raises(ProvisioningRefused) as caught:
        await settled(generator.issue(wanted))
    assert caught.value.code == "bad-credentials-request"
    return caught.value
