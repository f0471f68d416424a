"""People make an account with their first device: only where that is allowed, and all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.claim_services import ORIGIN, SECRET, ClaimServices

from firstboot.errors import AlreadyExists, ClaimRefused, InvalidValue, Unavailable
from firstboot.events import Claim
from firstboot.hookspecs import Refuse
from firstboot.model import DEFAULT_TENANT, Authority, Device, User
from firstboot.secret import Secret
from firstboot.storage import PageQuery

EMAIL, PASSWORD = "ada@example.org", "a right password"


class SignUpServices(ClaimServices):
    """Claiming in an installation where people may sign up."""

    def __init__(self, *, plugins: dict[str, Callable[..., Any]] | None = None, **settings: Any) -> None:
        super().__init__(plugins=plugins, **{"sign_up": (DEFAULT_TENANT,), **settings})

    async def sign_up(
        self,
        name: str,
        secret: str = SECRET,
        email: str = EMAIL,
        password: str = PASSWORD,
        tenant: str = DEFAULT_TENANT,
    ) -> tuple[User, Device]:
        return await self.signing_up.sign_up(tenant, email, Secret(password), name, Secret(secret), ORIGIN)

    async def refused_to_sign_up(self, *arguments: str, **more: str) -> str:
        """Sign up in vain; return the code, after a look that nothing is left behind."""
        with pytest.raises(ClaimRefused) as caught:
            await self.sign_up(*arguments, **more)
        assert await self.people() == []
        return caught.value.code

    async def people(self) -> list[str]:
        """Return who and what is there: users and customers."""
        users = await self.storage.page_users(1, PageQuery())
        customers = await self.storage.page_customers(1, PageQuery())
        return [each.email for each in users.rows] + [each.title for each in customers.rows]


async def test_somebody_gets_an_account_of_his_own_with_his_device() -> None:
    services = SignUpServices()
    device = await services.device()
    await services.opened(device)

    user, claimed = await services.sign_up(device.name, email=" Ada@Example.org ")

    assert (user.email, user.authority, user.enabled) == (EMAIL, Authority.CUSTOMER_USER, True)
    assert user == await services.storage.user_by_email(EMAIL)
    assert claimed == await services.again(device)
    assert claimed.customer_id == user.customer_id
    assert PASSWORD not in str(user.password_hash)
    (event,) = services.events("device_claimed")
    assert (event.customer, event.how, event.actor) == (EMAIL, "signed-up", f"user:{EMAIL}")
    for kind in ("customer-created", "user-created", "device-claimed"):
        (entry,) = await services.audit(kind)
        assert (entry.actor, entry.address) == (f"user:{EMAIL}", ORIGIN.address)
    await services.releasing.release(user, device.name, ORIGIN)


@pytest.mark.parametrize("tenant", ["default", "other", "nowhere", ""])
async def test_where_it_is_not_allowed_nobody_signs_up(tenant: str) -> None:
    services = SignUpServices(sign_up=("another", "nowhere"))
    services.storage.add_tenant("other")
    device = await services.device()
    await services.opened(device)

    assert await services.refused_to_sign_up(device.name, tenant=tenant) == "sign-up-closed"

    assert services.signing_up.is_open("nowhere")
    assert not services.signing_up.is_open(DEFAULT_TENANT)


async def test_a_claim_that_is_refused_leaves_no_account() -> None:
    services = SignUpServices()
    device, late = await services.device("open"), await services.device("late")
    await services.device("shut")
    await services.opened(device)
    await services.opened(late, SECRET, 1)
    services.advance(3)

    codes = [
        await services.refused_to_sign_up("open", "wrong"),
        await services.refused_to_sign_up("late"),
        await services.refused_to_sign_up("shut"),
        await services.refused_to_sign_up("nowhere"),
    ]

    assert codes == ["wrong-secret", "expired", "not-open", "unknown-device"]


async def test_what_somebody_else_owns_gives_nobody_an_account() -> None:
    services = SignUpServices()
    device, owner = await services.device(), await services.buyer("owner")
    await services.opened(device)
    await services.claim(owner, device)
    before = await services.people()

    with pytest.raises(ClaimRefused) as caught:
        await services.sign_up(device.name)

    assert caught.value.code == "already-claimed"
    assert await services.people() == before


async def test_cm_1_the_guesses_of_an_address_are_counted_whatever_e_mail_address_is_given() -> None:
    services = SignUpServices()
    device = await services.device()
    await services.opened(device)

    codes = [
        await services.refused_to_sign_up(device.name, f"guess {number}", f"guesser-{number}@example.org")
        for number in range(20)
    ]

    assert codes == ["wrong-secret"] * 5 + ["locked"] * 15


async def test_an_address_that_has_an_account_is_told_only_to_whoever_has_a_device() -> None:
    services = SignUpServices()
    device, buyer = await services.device(), await services.buyer()
    await services.opened(device)
    before = await services.people()

    with pytest.raises(ClaimRefused):
        await services.sign_up(device.name, "wrong", buyer.email)
    with pytest.raises(AlreadyExists):
        await services.sign_up(device.name, SECRET, buyer.email)

    assert await services.people() == before
    assert (await services.again(device)).customer_id is None
    assert (await services.claim(buyer, device)).customer_id == buyer.customer_id


async def test_a_customer_who_is_called_like_the_address_is_somebody_else() -> None:
    services = SignUpServices()
    device, other = await services.device(), await services.customer(EMAIL)
    await services.opened(device)

    user, _ = await services.sign_up(device.name)

    assert user.customer_id != other.id
    (event,) = services.events("device_claimed")
    assert event.customer.startswith(f"{EMAIL} ")


@pytest.mark.parametrize(
    ("email", "password"), [("no address", PASSWORD), ("", PASSWORD), (EMAIL, "short"), (EMAIL, "x" * 73)]
)
async def test_what_cannot_be_an_account_is_said_before_a_secret_is_looked_at(email: str, password: str) -> None:
    services = SignUpServices()
    device = await services.device()
    await services.opened(device)

    for _ in range(10):
        with pytest.raises(InvalidValue):
            await services.sign_up(device.name, "wrong", email, password)

    assert (await services.sign_up(device.name))[1].customer_id is not None


async def test_a_plugin_is_asked_and_knows_that_there_is_no_customer_yet() -> None:
    asked: list[Claim] = []

    def refuse(claim: Claim) -> Refuse:
        asked.append(claim)
        return Refuse("not in this country", "country")

    services = SignUpServices(plugins={"firstboot_device_claiming": refuse})
    device = await services.device()
    await services.opened(device)

    assert await services.refused_to_sign_up(device.name) == "country"

    assert [(claim.customer, claim.customer_id, claim.how) for claim in asked] == [(EMAIL, None, "signed-up")]


async def test_when_the_database_is_away_nothing_is_made() -> None:
    services = SignUpServices()
    device = await services.device()
    await services.opened(device)

    services.away = True
    with pytest.raises(Unavailable):
        await services.sign_up(device.name)
    services.away = False

    assert await services.people() == []
    await services.sign_up(device.name)
