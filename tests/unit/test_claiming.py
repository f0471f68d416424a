"""Claiming, giving back and handing over: what is decided, what is counted, what is told and audited."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.unit.claim_services import ORIGIN, SECRET, ClaimServices

from firstboot.claim_secrets import new_claim_secret
from firstboot.errors import CLAIM_REFUSAL_CODES, ClaimRefused, NotAllowed, NotFound
from firstboot.events import Claim
from firstboot.hookspecs import Refuse
from firstboot.model import ClaimOpener, Device, Scope, User
from firstboot.ownership import ASSIGNED, NewOwner
from firstboot.secret import Secret
from firstboot.storage import DeleteCustomer, DeleteDevice, Write, WriteResult
from firstboot.testing import a_user, an_audit_entry


async def openers(services: ClaimServices, device: Device) -> set[ClaimOpener]:
    return {each.opened_by for each in await services.windows.list(device)}


# -- claiming --------------------------------------------------------------------------------------


async def test_cl_10_the_device_comes_back_as_it_is_now() -> None:
    services = ClaimServices()
    device, buyer = await services.device(), await services.buyer()
    await services.opened(device)

    claimed = await services.claim(buyer, device)

    assert claimed.customer_id == buyer.customer_id
    assert claimed == await services.again(device)
    assert await services.windows.list(device) == []


async def test_cl_13_whoever_observes_is_told_who_has_claimed() -> None:
    services = ClaimServices()
    device, buyer = await services.device(), await services.buyer("Acme")
    await services.opened(device)

    await services.claim(buyer, device)

    (event,) = services.events("device_claimed")
    assert (event.customer, event.how, event.actor, event.origin) == (
        "Acme",
        "claimed",
        f"user:{buyer.email}",
        ORIGIN,
    )
    (entry,) = await services.audit("device-claimed")
    assert (entry.actor, entry.address, entry.device) == (f"user:{buyer.email}", ORIGIN.address, device.name)


@pytest.mark.parametrize("name", ["METER-7", "meter-7 x", "meter", "", " ", "\0", "x" * 300, "\ud800"])
async def test_cl_11_only_the_exact_name_is_found(name: str) -> None:
    services = ClaimServices()
    device, buyer = await services.device("meter-7"), await services.buyer()
    await services.opened(device)

    assert await services.refused(buyer, name) == "unknown-device"


async def test_cm_10_a_device_of_the_same_name_elsewhere_is_not_found() -> None:
    services = ClaimServices()
    other = services.storage.add_tenant("other")
    theirs = await services.device("meter-7", await services.profile("theirs", other.id))
    mine, buyer = await services.device("meter-7"), await services.buyer()
    await services.opened(theirs, "theirs")
    await services.opened(mine, "mine")

    assert await services.refused(buyer, "meter-7", "theirs") == "wrong-secret"
    await services.claim(buyer, mine, "mine")

    assert (await services.again(theirs)).customer_id is None


async def test_only_people_of_customers_claim() -> None:
    services = ClaimServices()
    device, buyer = await services.device(), await services.buyer()
    await services.opened(device)
    administrator = a_user()
    assert buyer.customer_id is not None

    for nobody in (administrator, a_user(tenant_id=None)):
        with pytest.raises(NotAllowed):
            await services.claim(nobody, device)
        with pytest.raises(NotAllowed):
            await services.claiming.release(nobody, device.name, ORIGIN)
        with pytest.raises(NotAllowed):
            await services.claiming.offer(nobody, device, ORIGIN)
    await services.commits.submit(DeleteCustomer(customer_id=buyer.customer_id, audit=an_audit_entry()))
    with pytest.raises(NotAllowed, match="deleted"):
        await services.claim(buyer, device)


async def test_a_made_secret_may_be_typed_in_small_letters_and_with_dashes() -> None:
    services = ClaimServices()
    device, buyer = await services.device(), await services.buyer()
    secret = new_claim_secret().reveal()
    await services.windows.open_by_administrator(device, secret=Secret(secret), actor="test")
    typed = "-".join(secret[at : at + 4] for at in range(0, 16, 4)).lower().replace("0", "o").replace("1", "l")

    assert (await services.claim(buyer, device, typed)).customer_id == buyer.customer_id


async def test_cl_9_an_open_window_of_the_device_stands_before_the_administrators() -> None:
    services = ClaimServices()
    device, buyer = await services.device(), await services.buyer()
    await services.windows.open_by_administrator(device, secret=Secret("administrator's"), actor="test")
    await services.opened(device, "device's", 1000)

    assert await services.refused(buyer, device, "administrator's") == "wrong-secret"
    services.advance(1002)
    assert await services.refused(buyer, device, "device's") == "wrong-secret"
    assert (await services.claim(buyer, device, "administrator's")).customer_id == buyer.customer_id


async def test_a_secret_of_another_device_opens_nothing() -> None:
    services = ClaimServices()
    one, two, buyer = await services.device("one"), await services.device("two"), await services.buyer()
    await services.opened(one, "of one")
    await services.opened(two, "of two")

    assert await services.refused(buyer, one, "of two") == "wrong-secret"


async def test_what_opened_a_device_before_it_was_given_away_is_closed_but_not_what_its_owner_offers() -> None:
    """4.4: the right secret of a device that is owned is answered with CLAIMED, and is used up."""
    services = ClaimServices()
    device = await services.device()
    owner, buyer = await services.buyer("owner"), await services.buyer("buyer")
    await services.opened(device)
    owned = await services.claim(owner, device)
    await services.windows.open_by_administrator(owned, secret=Secret("s"), actor="test")
    offered = await services.claiming.offer(owner, owned, ORIGIN)

    assert await services.refused(owner, device, "wrong") == "wrong-secret"
    assert await openers(services, device) == {ClaimOpener.ADMINISTRATOR, ClaimOpener.OWNER}
    assert await services.refused(owner, device, "s") == "already-yours"
    assert await openers(services, device) == {ClaimOpener.OWNER}
    await services.windows.open_by_administrator(owned, secret=Secret("s"), actor="test")
    assert await services.refused(buyer, device, "s") == "already-claimed"
    assert await openers(services, device) == {ClaimOpener.OWNER}

    claimed = await services.claim(buyer, device, offered.secret.reveal())
    assert claimed.customer_id == buyer.customer_id


class Hasty(ClaimServices):
    """Somebody else is faster: something happens between the looks of a claim and its write."""

    def __init__(self) -> None:
        super().__init__()
        self.first: list[Write] = []

    async def _write(self, batch: Sequence[Write]) -> Sequence[WriteResult]:
        if self.first:
            write = self.first.pop()
            await self.storage.write([write], self.keyring.link)
        return await super()._write(batch)


async def test_cm_5_whoever_is_too_late_is_told_what_is_so_now() -> None:
    services = Hasty()
    device = await services.device()
    one, two = await services.buyer("one"), await services.buyer("two")
    await services.opened(device)
    (customer,) = await services.storage.customers_by_id(1, [two.customer_id or 0])
    write, _ = await services.ownership.plan(
        device,
        NewOwner(customer=customer, expected=None, event=ASSIGNED, how="assigned", actor="test", origin=ORIGIN),
    )
    services.first = [write]

    assert await services.refused(one, device) == "already-claimed"

    assert (await services.again(device)).customer_id == two.customer_id


async def test_a_device_that_is_deleted_meanwhile_is_not_found() -> None:
    services = Hasty()
    device, buyer = await services.device(), await services.buyer()
    await services.opened(device)
    services.first = [DeleteDevice(device_id=device.id, audit=an_audit_entry())]

    with pytest.raises(NotFound):
        await services.claim(buyer, device)


# -- what is counted and audited -------------------------------------------------------------------


async def test_each_refusal_is_audited_with_its_code_and_without_the_secret() -> None:
    services = ClaimServices()
    device, late = await services.device("open"), await services.device("late")
    owned = await services.device("owned")
    await services.device("shut")
    owner = await services.buyer("owner")
    await services.opened(owned)
    await services.claim(owner, owned)
    await services.opened(device)
    await services.opened(late, SECRET, 1)
    services.advance(3)
    expected = {
        "open": ("not the secret", "wrong-secret"),
        "late": (SECRET, "expired"),
        "shut": (SECRET, "not-open"),
        "owned": (SECRET, "already-claimed"),
        "nowhere": (SECRET, "unknown-device"),
    }

    for number, (name, (secret, code)) in enumerate(expected.items()):
        assert await services.refused(await services.buyer(f"buyer {number}"), name, secret) == code
    assert await services.refused(owner, owned) == "already-yours"

    entries = await services.audit("claim-refused")
    assert {entry.device: entry.code for entry in entries} == {name: code for name, (_, code) in expected.items()}
    assert {code for _, code in expected.values()} <= set(CLAIM_REFUSAL_CODES)
    assert {entry.device for entry in entries if entry.device_id is None} == {"nowhere"}
    assert not any(SECRET in str(entry) or "not the secret" in str(entry) for entry in entries)


async def test_cm_1_and_what_is_one_s_own_does_not_count() -> None:
    services = ClaimServices(failures=1)
    device, other, buyer = await services.device("one"), await services.device("two"), await services.buyer()
    await services.opened(device)
    await services.opened(other)
    await services.claim(buyer, device)

    for _ in range(3):
        assert await services.refused(buyer, device) == "already-yours"
    await services.claim(buyer, other)


async def test_cm_7_names_that_are_not_there_count() -> None:
    services = ClaimServices()
    buyer = await services.buyer()

    codes = [await services.refused(buyer, f"guess {number}") for number in range(7)]

    assert codes == ["unknown-device"] * 5 + ["locked"] * 2


async def test_cm_1_while_somebody_is_locked_no_secret_is_looked_at() -> None:
    services = ClaimServices()
    device, buyer = await services.device(), await services.buyer()
    await services.opened(device)

    codes = [await services.refused(buyer, device, f"guess {number}") for number in range(200)]

    assert codes == ["wrong-secret"] * 5 + ["locked"] * 195
    assert await services.refused(buyer, device) == "locked"
    assert (await services.again(device)).customer_id is None
    assert len(await services.audit("claim-refused")) == 5, "what is not looked at is not written down either"


async def test_cm_2_the_guesses_of_one_cost_another_nothing() -> None:
    services = ClaimServices(address_failures_per_hour=10)
    device, attacker, buyer = await services.device(), await services.buyer("attacker"), await services.buyer()
    await services.opened(device)

    for number in range(1000):
        await services.refused(attacker, device, f"guess {number}")

    assert (await services.claim(buyer, device)).customer_id == buyer.customer_id


async def test_cm_3_when_many_guess_weak_windows_are_closed_and_strong_ones_stay() -> None:
    services = ClaimServices(guessed_failures_per_hour=50, address_failures_per_hour=10_000)
    weak, strong = await services.device("weak"), await services.device("strong")
    buyer = await services.buyer()
    await services.opened(weak, "1234")
    await services.opened(strong, SECRET)
    await services.windows.open_by_administrator(strong, secret=Secret("4321"), actor="test")

    for device in (weak, strong):
        for number in range(51):
            guesser = await services.buyer(f"{device.name} {number}")
            assert await services.refused(guesser, device, "guess") == "wrong-secret"

    assert await openers(services, weak) == set()
    assert await openers(services, strong) == {ClaimOpener.DEVICE}
    assert [entry.device for entry in await services.audit("claim-guessing")] == ["weak", "strong"]
    assert await services.refused(buyer, weak, "1234") == "not-open"
    await services.opened(weak, "5678")
    assert (await services.claim(buyer, weak, "5678")).customer_id == buyer.customer_id
    assert (await services.claim(buyer, strong)).customer_id == buyer.customer_id


# -- plugins ---------------------------------------------------------------------------------------


def refusing(hook: str, asked: list[Claim]) -> ClaimServices:
    def refuse(claim: Claim) -> Refuse:
        asked.append(claim)
        return Refuse("the bill is open", "not-paid")

    return ClaimServices(plugins={hook: refuse})


async def test_a_plugin_is_asked_when_the_secret_is_proven_and_may_refuse() -> None:
    asked: list[Claim] = []
    services = refusing("firstboot_device_claiming", asked)
    device, buyer = await services.device(), await services.buyer("Acme")
    await services.opened(device)

    assert await services.refused(buyer, device, "wrong") == "wrong-secret"
    assert asked == []
    for _ in range(10):
        assert await services.refused(buyer, device) == "not-paid", "no guess, so it does not count"

    assert (asked[0].device, asked[0].customer, asked[0].how) == (device.ref, "Acme", "claimed")
    assert (await services.again(device)).customer_id is None
    assert await openers(services, device) == {ClaimOpener.DEVICE}
    entry = (await services.audit("claim-refused"))[-1]
    assert (entry.code, entry.detail) == ("not-paid", "p: the bill is open")


async def test_a_plugin_may_refuse_that_a_device_is_given_back_or_passed_on() -> None:
    asked: list[Claim] = []
    services = refusing("firstboot_device_releasing", asked)
    profile = await services.profile(release_by_device=True)
    device = await services.device("meter-7", profile)
    owner, buyer = await services.buyer("owner"), await services.buyer("buyer")
    await services.opened(device)
    owned = await services.claim(owner, device)
    offered = await services.claiming.offer(owner, owned, ORIGIN)

    for release in (
        services.claiming.release(owner, device.name, ORIGIN),
        services.claiming.release_as_administrator(owned, actor="test", origin=ORIGIN),
        services.claiming.release_by_device(device.ref, ORIGIN),
        services.claim(buyer, device, offered.secret.reveal()),
    ):
        with pytest.raises(ClaimRefused) as caught:
            await release
        assert caught.value.code == "not-paid"

    assert [(claim.customer, claim.actor, claim.how) for claim in asked] == [
        ("owner", f"user:{owner.email}", "released"),
        ("owner", "test", "released"),
        ("owner", "device", "released"),
        ("owner", f"user:{buyer.email}", "transferred"),
    ]
    assert (await services.again(device)).customer_id == owner.customer_id
    free = await services.ownership.assign(owned, None, actor="test")
    assert free.customer_id is None, "administrators who assign ask nobody"


# -- giving back -----------------------------------------------------------------------------------


async def claimed(services: ClaimServices, owner: User, name: str = "meter-7") -> Device:
    device = await services.device(name, await services.profile(f"of {name}", release_by_device=True))
    await services.opened(device)
    return await services.claim(owner, device)


async def test_cl_24_only_an_owner_gives_a_device_back() -> None:
    services = ClaimServices()
    owner, other = await services.buyer("owner"), await services.buyer("other")
    device = await claimed(services, owner)
    free = await services.device("free")

    for user, name in ((other, device.name), (owner, free.name), (owner, "nowhere"), (owner, "")):
        with pytest.raises(NotFound) as caught:
            await services.claiming.release(user, name, ORIGIN)
        assert str(caught.value) == f"There is no device named {name!r}."
    assert (await services.again(device)).customer_id == owner.customer_id
    await services.claiming.release(owner, device.name, ORIGIN)

    assert (await services.again(device)).customer_id is None
    (event,) = services.events("device_released")
    assert (event.customer, event.how) == ("owner", "released")
    (entry,) = await services.audit("device-released")
    assert (entry.actor, entry.address) == (f"user:{owner.email}", ORIGIN.address)


async def test_cl_21_what_was_opened_before_a_device_was_released_is_closed() -> None:
    services = ClaimServices()
    owner = await services.buyer()
    device = await claimed(services, owner)
    await services.claiming.offer(owner, device, ORIGIN)
    await services.windows.open_by_administrator(device, actor="test")

    await services.claiming.release(owner, device.name, ORIGIN)

    assert await openers(services, device) == set()
    assert [each.key for each in await services.storage.device_attributes(device.id, Scope.SERVER)] == []


async def test_cl_20_an_administrator_releases_whatever_is_there() -> None:
    services = ClaimServices()
    device = await claimed(services, await services.buyer())

    free = await services.claiming.release_as_administrator(device, actor="user:ada", origin=ORIGIN)
    assert (free.customer_id, (await services.again(device)).customer_id) == (None, None)
    await services.opened(free)
    await services.windows.open_by_administrator(free, actor="test")
    again = await services.claiming.release_as_administrator(free, actor="user:ada", origin=ORIGIN)

    assert again == free
    assert await openers(services, device) == {ClaimOpener.ADMINISTRATOR}
    assert [entry.actor for entry in await services.audit("device-released")] == ["user:ada"]


async def test_an_administrator_who_looks_at_an_old_picture_releases_the_owner_of_now() -> None:
    services = ClaimServices()
    one, two = await services.buyer("one"), await services.buyer("two")
    device = await claimed(services, one)
    await services.claiming.release(one, device.name, ORIGIN)
    await services.opened(device)
    await services.claim(two, device)

    free = await services.claiming.release_as_administrator(device, actor="test", origin=ORIGIN)

    assert free.customer_id is None
    assert [event.customer for event in services.events("device_released")] == ["one", "two"]


async def test_a_device_releases_itself_where_its_profile_says_so() -> None:
    services = ClaimServices()
    owner = await services.buyer("owner")
    device = await claimed(services, owner)

    await services.claiming.release_by_device(device.ref, ORIGIN)
    await services.claiming.release_by_device(device.ref, ORIGIN)

    assert (await services.again(device)).customer_id is None
    (event,) = services.events("device_released")
    assert (event.customer, event.actor) == ("owner", "device")


async def test_a_device_does_not_release_itself_where_its_profile_does_not_say_so() -> None:
    services = ClaimServices()
    device, gone = await services.device(), await claimed(services, await services.buyer(), "gone")
    await services.devices.delete(gone, actor="test")

    with pytest.raises(NotAllowed):
        await services.claiming.release_by_device(device.ref, ORIGIN)
    with pytest.raises(NotFound):
        await services.claiming.release_by_device(gone.ref, ORIGIN)


# -- handing over ----------------------------------------------------------------------------------


async def test_a_device_is_handed_over_without_a_moment_in_which_it_is_nobodys() -> None:
    services = ClaimServices()
    seller, buyer = await services.buyer("seller"), await services.buyer("buyer")
    device = await claimed(services, seller)
    services.told.clear()
    offered = await services.claiming.offer(seller, device, ORIGIN)

    handed = await services.claim(buyer, device, offered.secret.reveal())

    assert (handed.customer_id, handed.version) == (buyer.customer_id, device.version + 1)
    told = [(hook, getattr(event, "customer", None), getattr(event, "how", None)) for hook, event in services.told]
    assert told == [
        ("firstboot_claim_window_opened", None, None),
        ("firstboot_device_released", "seller", "transferred"),
        ("firstboot_device_claimed", "buyer", "transferred"),
    ]
    assert len(await services.audit("device-transferred")) == 1
    assert (
        await services.refused(await services.buyer("third"), device, offered.secret.reveal()) == "already-claimed"
    )


async def test_an_offer_can_be_withdrawn_and_ends_after_a_day() -> None:
    services = ClaimServices()
    seller, buyer = await services.buyer("seller"), await services.buyer("buyer")
    device = await claimed(services, seller)

    first = await services.claiming.offer(seller, device, ORIGIN)
    await services.claiming.withdraw(seller, device)
    assert await services.refused(buyer, device, first.secret.reveal()) == "already-claimed"
    second = await services.claiming.offer(seller, device, ORIGIN)
    assert await services.refused(buyer, device, first.secret.reveal()) == "wrong-secret"
    services.advance(second.until_ms - services.now_ms + 2)
    assert await services.refused(buyer, device, second.secret.reveal()) == "expired"

    assert (await services.again(device)).customer_id == seller.customer_id


async def test_only_an_owner_offers_and_withdraws() -> None:
    services = ClaimServices()
    seller, other = await services.buyer("seller"), await services.buyer("other")
    device = await claimed(services, seller)

    with pytest.raises(NotFound):
        await services.claiming.offer(other, device, ORIGIN)
    with pytest.raises(NotFound):
        await services.claiming.withdraw(other, device)

    assert await openers(services, device) == set()


async def test_an_owner_who_tries_his_own_offer_has_the_device_already() -> None:
    services = ClaimServices()
    seller = await services.buyer("seller")
    device = await claimed(services, seller)
    offered = await services.claiming.offer(seller, device, ORIGIN)

    assert await services.refused(seller, device, offered.secret.reveal()) == "already-yours"

    assert await openers(services, device) == {ClaimOpener.OWNER}
