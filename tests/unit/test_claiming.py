"""Claiming: what is decided, what is counted, what is told and audited."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.unit.claim_services import ORIGIN, SECRET, ClaimServices, refusing

from firstboot.claim_secrets import new_claim_secret
from firstboot.errors import CLAIM_REFUSAL_CODES, NotAllowed, NotFound
from firstboot.events import Claim
from firstboot.model import ClaimOpener
from firstboot.ownership import ASSIGNED, NewOwner
from firstboot.secret import Secret
from firstboot.storage import DeleteCustomer, DeleteDevice, Write, WriteResult
from firstboot.testing import a_user, an_audit_entry

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
            await services.releasing.release(nobody, device.name, ORIGIN)
        with pytest.raises(NotAllowed):
            await services.releasing.offer(nobody, device, ORIGIN)
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
    await services.windows.open_by_administrator(device, secret=Secret("s"), actor="test")  # as it was read before
    offered = await services.releasing.offer(owner, owned, ORIGIN)

    assert await services.refused(owner, device, "wrong") == "wrong-secret"
    assert await services.openers(device) == {ClaimOpener.ADMINISTRATOR, ClaimOpener.OWNER}
    assert await services.refused(owner, device, "s") == "already-yours"
    assert await services.openers(device) == {ClaimOpener.OWNER}
    await services.windows.open_by_administrator(device, secret=Secret("s"), actor="test")
    assert await services.refused(buyer, device, "s") == "already-claimed"
    assert await services.openers(device) == {ClaimOpener.OWNER}

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

    assert await services.openers(weak) == set()
    assert await services.openers(strong) == {ClaimOpener.DEVICE}
    assert [entry.device for entry in await services.audit("claim-guessing")] == ["weak", "strong"]
    assert await services.refused(buyer, weak, "1234") == "not-open"
    await services.opened(weak, "5678")
    assert (await services.claim(buyer, weak, "5678")).customer_id == buyer.customer_id
    assert (await services.claim(buyer, strong)).customer_id == buyer.customer_id


# -- plugins ---------------------------------------------------------------------------------------


async def test_a_plugin_is_asked_when_the_secret_is_proven_and_may_refuse() -> None:
    asked: list[Claim] = []
    services = ClaimServices(plugins={"firstboot_device_claiming": refusing(asked)})
    device, buyer = await services.device(), await services.buyer("Acme")
    await services.opened(device)

    assert await services.refused(buyer, device, "wrong") == "wrong-secret"
    assert asked == []
    for _ in range(10):
        assert await services.refused(buyer, device) == "not-paid", "no guess, so it does not count"

    assert (asked[0].device, asked[0].customer, asked[0].how) == (device.ref, "Acme", "claimed")
    assert (await services.again(device)).customer_id is None
    assert await services.openers(device) == {ClaimOpener.DEVICE}
    entry = (await services.audit("claim-refused"))[-1]
    assert (entry.code, entry.detail) == ("not-paid", "p: the bill is open")
