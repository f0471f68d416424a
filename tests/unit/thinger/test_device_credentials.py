"""What thinger.io's devices log in with (contract 6.1)."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from firstboot.credentials import Holder
from firstboot.errors import ProvisioningRefused
from firstboot.model import DIALECT, Credentials, WantedCredentials
from firstboot.profiles import plain_profile
from firstboot_plugins.dialects.thinger.credentials import ThingerCredentials, account_login, login_id, opened_by


async def _nothing(*asked: object) -> None:
    raise AssertionError("no certificate is asked for")


HOLDER = Holder(
    name="meter1",
    public_id=UUID(int=1),
    profile=replace(plain_profile(1, "thinger"), details={DIALECT: "thinger"}),
    now_ms=0,
    certify=_nothing,  # type: ignore[arg-type]
)


def issued(password: str | None = None) -> Credentials:
    wanted = WantedCredentials(type="THINGER", username="alice", password=password)
    return ThingerCredentials().issue_to(wanted, HOLDER)


def test_tg_6_1_account_device_and_credential_are_the_login() -> None:
    assert opened_by(issued("a good secret"), "alice", "meter1", "a good secret")
    assert issued("a good secret").id == login_id(1, "meter1")
    assert ThingerCredentials().reveal(issued("a good secret")) == {
        "clientId": "meter1",
        "userName": "alice",
        "password": "a good secret",
    }


def test_tg_12_4_a_password_that_is_not_given_is_drawn_and_hard_to_guess() -> None:
    drawn = {ThingerCredentials().reveal(issued())["password"] for _ in range(20)}

    assert len(drawn) == 20
    assert {len(password) for password in drawn} == {22}


def test_tg_6_1_a_login_is_compared_in_all_its_parts() -> None:
    own = account_login(1, "alice", "meter1", "secret")

    assert opened_by(own, "alice", "meter1", "secret")
    assert not opened_by(own, "alice", "meter1", "Secret")
    assert not opened_by(own, "bob", "meter1", "secret")
    assert not opened_by(own, "alice", "meter2", "secret")
    assert not opened_by(Credentials("ACCESS_TOKEN", "secret"), "alice", "meter1", "secret")


def test_tg_6_1_nobody_gets_such_credentials_who_is_no_device_of_an_account() -> None:
    generator = ThingerCredentials()
    refused = [
        lambda: generator.issue_to(WantedCredentials(type="THINGER", password="secret"), HOLDER),
        lambda: generator.issue(WantedCredentials(type="THINGER", username="alice")),
        lambda: generator.renew(issued()),
    ]

    codes = []
    for attempt in refused:
        with pytest.raises(ProvisioningRefused) as refusal:
            attempt()
        codes.append(refusal.value.code)
    assert codes == ["bad-credentials-request", "bad-credentials-request", "cannot-rotate"]
