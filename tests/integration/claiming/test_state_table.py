"""The tables 4.4 and 4.5 of the contract as its section 7 corrects them, row by row, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.integration.claiming.shop import BUYERS_ORIGIN, Shop

from firstboot.errors import NotFound
from firstboot.model import ClaimOpener, Device, Scope, User

DEVICE, ADMINISTRATOR, OWNER = ClaimOpener.DEVICE, ClaimOpener.ADMINISTRATOR, ClaimOpener.OWNER
BY_DEVICE, BY_ADMINISTRATOR, OFFERED = "the device's secret", "the administrator's secret", "what the owner offers"
WRONG, EMPTY = "wrong", ""
MINUTE_MS = 60_000
DAY_MS = 86_400_000

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgres"])
async def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """Run one server for all rows on each database: each row has a device and people of its own."""
    url = None
    if request.param == "postgres":
        postgres = request.getfixturevalue("postgres_server")
        name = f"state_{uuid4().hex}"
        postgres.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        url = postgres.url.removesuffix("postgres") + name
    async with Shop.running(tmp_path_factory.mktemp("shop"), url) as started:
        yield started


@dataclass(frozen=True)
class Opened:
    """A claim window, and how late somebody is for it: 0 is its last moment."""

    by: ClaimOpener
    secret: str
    late_ms: int = -MINUTE_MS


@dataclass(frozen=True)
class Row:
    """A device in a state, a claim, and what comes of it."""

    owner: str
    """``free``, ``own`` (of whoever claims), ``other's``."""
    opened: tuple[Opened, ...]
    tried: str
    answer: str
    left: set[ClaimOpener] = field(default_factory=set)
    """Whose windows are there afterwards."""

    def __str__(self) -> str:
        opened = " and ".join(f"{each.by.value} {each.late_ms}ms" for each in self.opened) or "nothing"
        return f"{self.owner}, {opened} open, {self.tried or 'empty'}: {self.answer}"


def device(late_ms: int = -MINUTE_MS, secret: str = BY_DEVICE) -> Opened:
    return Opened(DEVICE, secret, late_ms)


def administrator(late_ms: int = -MINUTE_MS, secret: str = BY_ADMINISTRATOR) -> Opened:
    return Opened(ADMINISTRATOR, secret, late_ms)


def offer(late_ms: int = -MINUTE_MS) -> Opened:
    return Opened(OWNER, OFFERED, late_ms)


ROWS = [
    # No claim data: 4.4, rows 4 and 5.
    *(Row("free", (), tried, "not-open") for tried in (WRONG, EMPTY)),
    *(Row("own", (), tried, "already-yours") for tried in (WRONG, EMPTY)),
    *(Row("other's", (), tried, "already-claimed") for tried in (WRONG, EMPTY)),
    # One window of a free device; CL-4 and CL-12 corrected: a wrong or late guess ends nothing.
    *(
        row
        for one, secret, opener in ((device, BY_DEVICE, DEVICE), (administrator, BY_ADMINISTRATOR, ADMINISTRATOR))
        for row in (
            Row("free", (one(-MINUTE_MS),), secret, "yours"),
            Row("free", (one(0),), secret, "yours"),
            Row("free", (one(1),), secret, "expired", {opener}),
            Row("free", (one(DAY_MS),), secret, "expired", {opener}),
            Row("free", (one(),), WRONG, "wrong-secret", {opener}),
            Row("free", (one(1),), WRONG, "wrong-secret", {opener}),
            Row("free", (one(),), EMPTY, "wrong-secret", {opener}),
            Row("free", (one(),), secret.upper(), "wrong-secret", {opener}),
            Row("free", (one(),), f" {secret}", "wrong-secret", {opener}),
            # A window without a secret: only no secret opens it.
            Row("free", (one(-MINUTE_MS, EMPTY),), EMPTY, "yours"),
            Row("free", (one(0, EMPTY),), EMPTY, "yours"),
            Row("free", (one(1, EMPTY),), EMPTY, "expired", {opener}),
            Row("free", (one(-MINUTE_MS, EMPTY),), WRONG, "wrong-secret", {opener}),
        )
    ),
    # Both: CL-9 corrected: the device's window stands before the administrator's while it is open.
    Row("free", (device(), administrator()), BY_DEVICE, "yours"),
    Row("free", (device(0), administrator()), BY_DEVICE, "yours"),
    Row("free", (device(0), administrator()), BY_ADMINISTRATOR, "wrong-secret", {DEVICE, ADMINISTRATOR}),
    Row("free", (device(1), administrator()), BY_ADMINISTRATOR, "yours"),
    Row("free", (device(1), administrator()), BY_DEVICE, "wrong-secret", {DEVICE, ADMINISTRATOR}),
    Row("free", (device(), administrator(1)), BY_DEVICE, "yours"),
    Row("free", (device(), administrator(1)), BY_ADMINISTRATOR, "wrong-secret", {DEVICE, ADMINISTRATOR}),
    *(
        Row("free", (device(1), administrator(1)), tried, answer, {DEVICE, ADMINISTRATOR})
        for tried, answer in ((BY_DEVICE, "expired"), (BY_ADMINISTRATOR, "expired"), (WRONG, "wrong-secret"))
    ),
    # claimingData of a device that is owned: 4.4, rows 2 and 3.
    *(
        row
        for owner, answer in (("own", "already-yours"), ("other's", "already-claimed"))
        for row in (
            Row(owner, (administrator(),), BY_ADMINISTRATOR, answer),
            Row(owner, (administrator(0),), BY_ADMINISTRATOR, answer),
            Row(owner, (administrator(1),), BY_ADMINISTRATOR, "expired", {ADMINISTRATOR}),
            Row(owner, (administrator(),), WRONG, "wrong-secret", {ADMINISTRATOR}),
            Row(owner, (administrator(),), EMPTY, "wrong-secret", {ADMINISTRATOR}),
        )
    ),
    # What its owner offers: ours.
    Row("own", (offer(),), OFFERED, "already-yours", {OWNER}),
    Row("own", (offer(),), WRONG, "already-yours", {OWNER}),
    Row("other's", (offer(),), OFFERED, "yours"),
    Row("other's", (offer(0),), OFFERED, "yours"),
    Row("other's", (offer(1),), OFFERED, "expired", {OWNER}),
    Row("other's", (offer(),), WRONG, "wrong-secret", {OWNER}),
    Row("other's", (offer(), administrator()), OFFERED, "yours"),
    Row("other's", (offer(), administrator()), BY_ADMINISTRATOR, "already-claimed", {OWNER}),
    Row("other's", (offer(), administrator()), WRONG, "wrong-secret", {OWNER, ADMINISTRATOR}),
]


async def arranged(shop: Shop, row: Row, buyer: User) -> tuple[Device, User | None, dict[str, str]]:
    """Put a device into the state of a row; return it, its owner, and the secrets by what the row calls them."""
    made = await shop.device()
    owner = {"own": buyer, "other's": await shop.buyer()}.get(row.owner)
    if owner is not None:
        await shop.assign(made, owner)
        made = await shop.again(made)
    # The windows end at different moments before or after the claim, which happens at `at_ms`.
    at_ms = shop.now.now_ms + 2 * DAY_MS
    secrets = {}
    for each in row.opened:
        until_ms = at_ms - each.late_ms
        secret = each.secret
        match each.by:
            case ClaimOpener.DEVICE:
                length_ms = min(MINUTE_MS, until_ms - shop.now.now_ms)
                go_to(shop, until_ms - length_ms)
                await shop.device_opens(made, secret, length_ms)
            case ClaimOpener.ADMINISTRATOR:
                if not secret:
                    go_to(shop, until_ms - MINUTE_MS)
                await shop.administrator_opens(made, secret, until_ms)
            case ClaimOpener.OWNER:
                go_to(shop, until_ms - DAY_MS)
                assert owner is not None
                offered = await shop.services.releasing.offer(owner, made, BUYERS_ORIGIN)
                assert offered.until_ms == until_ms
                secret = offered.secret.reveal()
        secrets[each.secret] = secret
    go_to(shop, at_ms)
    return made, owner, secrets


def go_to(shop: Shop, at_ms: int) -> None:
    assert at_ms >= shop.now.now_ms
    shop.now.advance((at_ms - shop.now.now_ms) / 1000)


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_claim_is_decided_as_the_contract_says(shop: Shop, row: Row) -> None:
    """4.4, 4.5; CL-2, CL-4, CL-6, CL-9, CL-12 as corrected."""
    buyer = await shop.buyer()
    made, owner, secrets = await arranged(shop, row, buyer)
    before = await shop.again(made)

    answer = await shop.claim(buyer, made, secrets.get(row.tried, row.tried))

    after = await shop.again(made)
    assert answer == row.answer
    assert await shop.openers(made) == row.left
    assert ("claimingData" in await shop.server_attributes(made)) == (ADMINISTRATOR in row.left)
    if answer == "yours":
        assert (after.customer_id, after.version) == (buyer.customer_id, before.version + 1)
    else:
        assert after == before
        assert after.customer_id == (None if owner is None else owner.customer_id)


@pytest.mark.parametrize("row", [row for row in ROWS if row.answer == "wrong-secret"], ids=str)
async def test_after_a_wrong_guess_the_right_secret_is_as_good_as_before(shop: Shop, row: Row) -> None:
    """CL-12 corrected, CM-2."""
    buyer, guesser = await shop.buyer(), await shop.buyer()
    tried = {each.secret for each in row.opened}
    (right, *_) = [
        other
        for other in ROWS
        if (other.owner, other.opened) == (row.owner, row.opened) and other.tried in tried
        and other.answer != "wrong-secret"
    ]  # fmt: skip
    if row.owner == "own":
        guesser = buyer
    made, _, secrets = await arranged(shop, row, buyer)

    assert await shop.claim(guesser, made, "a guess") in ("wrong-secret", "already-yours")

    assert await shop.claim(buyer, made, secrets.get(right.tried, right.tried)) == right.answer


@pytest.mark.parametrize("right", [BY_DEVICE, BY_ADMINISTRATOR])
async def test_whoever_has_failed_may_use_either_secret_of_a_device_and_nobody_else_may(
    shop: Shop, right: str
) -> None:
    """CL-9 and CL-12: what a device says does not keep the secret on its label from working."""
    guesser, buyer = await shop.buyer(), await shop.buyer()
    row = Row("free", (device(), administrator()), right, "yours")
    made, _, secrets = await arranged(shop, row, buyer)

    assert await shop.claim(guesser, made, WRONG) == "wrong-secret"
    assert await shop.claim(buyer, made, secrets[BY_ADMINISTRATOR]) == "wrong-secret"

    assert await shop.claim(guesser, made, secrets[right]) == "yours"


# -- the other events of 4.5 -----------------------------------------------------------------------


async def test_cl_4_the_latest_message_of_a_device_replaces_the_one_before(shop: Shop) -> None:
    made, buyer = await shop.device(), await shop.buyer()
    await shop.device_opens(made, "first", DAY_MS)
    await shop.device_opens(made, "second", MINUTE_MS)

    assert await shop.claim(buyer, made, "first") == "wrong-secret"
    shop.now.advance(60.001)
    assert await shop.claim(buyer, made, "second") == "expired"
    await shop.device_opens(made, "third", MINUTE_MS)

    assert await shop.claim(buyer, made, "third") == "yours"


async def test_cl_2_what_a_device_says_while_it_is_owned_opens_nothing_later_either(shop: Shop) -> None:
    made, owner, buyer = await shop.device(), await shop.buyer(), await shop.buyer()
    await shop.assign(made, owner)

    await shop.device_opens(made, "said too early")
    await shop.services.releasing.release(owner, made.name, BUYERS_ORIGIN)

    assert await shop.claim(buyer, made, "said too early") == "not-open"


@pytest.mark.parametrize("how", ["release", "administrator", "device", "unassign", "assign"])
async def test_cl_21_a_device_that_changed_its_owner_has_no_claim_data(shop: Shop, how: str) -> None:
    made, owner, buyer = await shop.device(), await shop.buyer(), await shop.buyer()
    await shop.device_opens(made, "used")
    assert await shop.claim(owner, made, "used") == "yours"
    owned = await shop.again(made)
    await shop.administrator_opens(made, BY_ADMINISTRATOR, shop.now.now_ms + DAY_MS)
    offered = await shop.services.releasing.offer(owner, owned, BUYERS_ORIGIN)
    releasing = shop.services.releasing

    match how:
        case "release":
            await releasing.release(owner, made.name, BUYERS_ORIGIN)
        case "administrator":
            await releasing.release_as_administrator(owned, actor="test", origin=BUYERS_ORIGIN)
        case "device":
            await releasing.release_by_device(made.ref, BUYERS_ORIGIN)
        case "unassign":
            await shop.assign(made, None)
        case "assign":
            await shop.assign(made, await shop.buyer())

    assert await shop.openers(made) == set()
    assert await shop.server_attributes(made) == {}
    refusal = "already-claimed" if how == "assign" else "not-open"
    for secret in ("used", BY_ADMINISTRATOR, offered.secret.reveal()):
        assert await shop.claim(buyer, made, secret) == refusal


async def test_cl_24_nobody_takes_a_device_away_that_is_not_his(shop: Shop) -> None:
    made, owner, other = await shop.device(), await shop.buyer(), await shop.buyer()
    await shop.assign(made, owner)

    with pytest.raises(NotFound):
        await shop.services.releasing.release(other, made.name, BUYERS_ORIGIN)

    assert (await shop.again(made)).customer_id == owner.customer_id


async def test_cl_7_claiming_data_that_cannot_be_read_opens_nothing_and_replaces_what_was(shop: Shop) -> None:
    made, buyer = await shop.device(), await shop.buyer()
    await shop.administrator_opens(made, BY_ADMINISTRATOR, shop.now.now_ms + DAY_MS)
    save = shop.services.attributes.save
    await save(made.ref, Scope.SERVER, {"claimingData": {"secretKey": BY_ADMINISTRATOR, "x": 1}}, actor="test")

    assert await shop.claim(buyer, made, BY_ADMINISTRATOR) in ("wrong-secret", "expired")
    assert BY_ADMINISTRATOR not in str(await shop.server_attributes(made))
