"""The credentials suite catches broken generators."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.testing_kit.catching import catches

from firstboot.credentials import refuse_control_characters
from firstboot.errors import ProvisioningRefused
from firstboot.model import Credentials, WantedCredentials
from firstboot.secret import random_text
from firstboot.testing import (
    CredentialGeneratorConformance,
)


class GoodTokens:
    """Makes and takes tokens; the broken ones differ in one thing."""

    type = "TEST_TOKEN"

    def issue(self, wanted: WantedCredentials) -> Any:
        refuse_control_characters(wanted.token)
        if wanted.given and not wanted.token:
            raise ProvisioningRefused("There is no token.", code="bad-credentials-request")
        return Credentials(self.type, wanted.token or random_text(20))

    def renew(self, current: Credentials) -> Any:
        return self.issue(WantedCredentials())

    def reveal(self, credentials: Credentials) -> Any:
        return credentials.id


class BadType(GoodTokens):
    type = "TEST TOKEN"


class OtherType(GoodTokens):
    def issue(self, wanted: WantedCredentials) -> Any:
        return replace(super().issue(wanted), type="OTHER")


class Counts(GoodTokens):
    numbers = itertools.count()

    def issue(self, wanted: WantedCredentials) -> Any:
        return Credentials(self.type, wanted.token or f"{next(self.numbers):020}")


class Constant(GoodTokens):
    def issue(self, wanted: WantedCredentials) -> Any:
        return Credentials(self.type, wanted.token or "0" * 20)


class Short(GoodTokens):
    def issue(self, wanted: WantedCredentials) -> Any:
        # 16 characters of 62 are less than 100 bits.
        return Credentials(self.type, wanted.token or "constant-prefix-" + random_text(16))


class Salts(GoodTokens):
    def issue(self, wanted: WantedCredentials) -> Any:
        return Credentials(self.type, (wanted.token or "") + random_text(20))


class OneIdForAll(GoodTokens):
    def issue(self, wanted: WantedCredentials) -> Any:
        return Credentials(self.type, "id", wanted.token or random_text(20))


class TakesAnything(GoodTokens):
    def issue(self, wanted: WantedCredentials) -> Any:
        return Credentials(self.type, wanted.token or random_text(20))


class OtherRefusal(GoodTokens):
    def issue(self, wanted: WantedCredentials) -> Any:
        try:
            return super().issue(wanted)
        except ProvisioningRefused:
            raise ProvisioningRefused("No.", code="vetoed") from None


class RepeatsTheToken(GoodTokens):
    def issue(self, wanted: WantedCredentials) -> Any:
        try:
            return super().issue(wanted)
        except ProvisioningRefused as refusal:
            raise ProvisioningRefused(f"{wanted.token} is bad.", code=refusal.code) from None


class RevealsBytes(GoodTokens):
    def reveal(self, credentials: Credentials) -> Any:
        return {"token": (1, 2)}


class ShowsTheLast(GoodTokens):
    last = ""

    def issue(self, wanted: WantedCredentials) -> Any:
        issued = super().issue(wanted)
        self.last = issued.id
        return issued

    def __repr__(self) -> str:
        return f"ShowsTheLast({self.last})"


class RenewsTheSame(GoodTokens):
    def renew(self, current: Credentials) -> Any:
        return current


class CannotRenew(GoodTokens):
    def renew(self, current: Credentials) -> Any:
        raise ProvisioningRefused("Only the device can.", code="cannot-rotate")


class RefusesToRenew(GoodTokens):
    def renew(self, current: Credentials) -> Any:
        raise ProvisioningRefused("No.", code="vetoed")


class TokenSuite(CredentialGeneratorConformance):
    good = (WantedCredentials(token="brought-token"), WantedCredentials(token="another-token"))
    bad = (WantedCredentials(password="a-password"),)


BROKEN_GENERATORS: Sequence[tuple[type[GoodTokens], str]] = (
    (BadType, "its_type_is_one_word"),
    (OtherType, "credentials_are_of_its_type"),
    (Constant, "generated_credentials_are_unique"),
    (Counts, "generated_credentials_are_too_random_to_guess"),
    (Short, "generated_credentials_are_too_random_to_guess"),
    (OneIdForAll, "different_credentials_have_different_ids"),
    (Salts, "what_a_device_brings_is_taken_the_same_way_each_time"),
    (TakesAnything, "bad_credentials_are_refused"),
    (TakesAnything, "control_characters_are_refused"),
    (OtherRefusal, "bad_credentials_are_refused"),
    (RepeatsTheToken, "a_refusal_does_not_repeat_a_secret"),
    (RevealsBytes, "what_the_device_is_told_is_json"),
    (ShowsTheLast, "no_repr_shows_a_secret"),
    (RenewsTheSame, "renewing_gives_others_or_is_refused"),
)


@pytest.mark.parametrize(("kind", "name"), BROKEN_GENERATORS)
async def test_the_suite_catches_a_broken_generator_and_passes_a_whole_one(
    kind: type[GoodTokens], name: str
) -> None:
    test = getattr(TokenSuite(), f"test_{name}")

    await test(GoodTokens())
    await catches(test, generator=kind())


async def test_a_generator_may_say_that_it_cannot_renew_but_not_refuse_otherwise() -> None:
    test = TokenSuite().test_renewing_gives_others_or_is_refused

    await test(CannotRenew())
    with pytest.raises(ProvisioningRefused):
        await test(RefusesToRenew())


async def test_the_suite_catches_a_generator_that_makes_what_it_says_it_cannot() -> None:
    class TakesOnly(TokenSuite):
        generates = False

    await catches(
        TakesOnly().test_a_device_that_brings_nothing_gets_credentials_or_a_refusal, generator=GoodTokens()
    )


async def test_a_suite_without_anything_to_test_fails() -> None:
    class Empty(CredentialGeneratorConformance):
        generates = False

    await catches(Empty().test_there_is_something_to_test, generator=GoodTokens())
