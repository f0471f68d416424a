"""Who opens a device for claiming, for how long, and who is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.claim_services import FROM_DEVICE, HOUR_MS, MINUTE_MS, ORIGIN, SECRET, ClaimServices

from firstboot.claim_secrets import claim_digest
from firstboot.errors import InvalidValue, NotFound, Unavailable
from firstboot.events import ClaimWindowOpened
from firstboot.model import CLAIMING_ALLOWED, CLAIMING_DATA, ClaimOpener, ClaimWindow, Device, Scope
from firstboot.secret import Secret

DAY_MS = 24 * HOUR_MS


async def window(services: ClaimServices, device: Device, opener: ClaimOpener = ClaimOpener.DEVICE) -> ClaimWindow:
    (found,) = [each for each in await services.windows.list(device) if each.opened_by is opener]
    return found


# -- by the device ---------------------------------------------------------------------------------


async def test_cl_3_a_device_opens_itself_until_a_moment() -> None:
    services = ClaimServices()
    device = await services.device()

    await services.opened(device, SECRET, MINUTE_MS)

    assert await window(services, device) == ClaimWindow(
        device_id=device.id,
        opened_by=ClaimOpener.DEVICE,
        secret_digest=claim_digest(services.keyring, device.public_id, Secret(SECRET)),
        expires_at_ms=services.now_ms + MINUTE_MS,
        opened_at_ms=services.now_ms,
        weak=False,
    )
    (entry,) = await services.audit("claim-window-opened")
    assert (entry.actor, entry.device, entry.address) == ("device", device.name, FROM_DEVICE.address)
    assert services.told == [
        (
            "firstboot_claim_window_opened",
            ClaimWindowOpened(
                device=device.ref,
                opened_by="device",
                until_ms=services.now_ms + MINUTE_MS,
                at_ms=services.now_ms,
            ),
        )
    ]


@pytest.mark.parametrize(
    ("secret", "asked_ms", "open_ms"),
    [
        (SECRET, None, 2 * HOUR_MS),
        (SECRET, 0, 2 * HOUR_MS),
        (SECRET, -1, 2 * HOUR_MS),
        (SECRET, 1, 1),
        (SECRET, 3 * HOUR_MS, 3 * HOUR_MS),
        (SECRET, 3 * HOUR_MS + 1, 3 * HOUR_MS),
        (SECRET, 2**80, 3 * HOUR_MS),
        ("", None, MINUTE_MS),
        ("", 1, 1),
        ("", HOUR_MS, MINUTE_MS),
    ],
)
async def test_cl_3_a_duration_has_a_default_and_a_cap(secret: str, asked_ms: int | None, open_ms: int) -> None:
    services = ClaimServices(
        duration=timedelta(hours=2), max_duration=timedelta(hours=3), empty_secret_duration=timedelta(minutes=1)
    )
    device = await services.device()

    await services.opened(device, secret, asked_ms)

    assert (await window(services, device)).expires_at_ms == services.now_ms + open_ms


async def test_the_defaults_are_a_day_and_five_minutes_without_a_secret() -> None:
    """CM-4, and contract 4.1."""
    services = ClaimServices()
    one, two = await services.device("one"), await services.device("two")

    await services.opened(one)
    await services.opened(two, "")

    assert (await window(services, one)).expires_at_ms == services.now_ms + DAY_MS
    assert (await window(services, two)).expires_at_ms == services.now_ms + 5 * MINUTE_MS


async def test_a_long_duration_without_a_secret_is_no_longer_than_any_other() -> None:
    services = ClaimServices(max_duration=timedelta(minutes=2), duration=timedelta(minutes=1))
    device = await services.device()

    await services.opened(device, "", HOUR_MS)

    assert (await window(services, device)).expires_at_ms == services.now_ms + 2 * MINUTE_MS


async def test_cl_2_a_device_that_is_owned_is_not_opened_and_nobody_is_told() -> None:
    services = ClaimServices()
    device = await services.device()
    await services.ownership.assign(device, await services.customer(), actor="test")
    services.told.clear()

    await services.opened(device)

    assert await services.windows.list(device) == []
    assert services.told == []
    (entry,) = await services.audit("claim-window-refused")
    assert entry.code == "already-claimed"


@pytest.mark.parametrize(
    ("value", "is_open"), [(True, True), ("true", False), (1, False), (False, False), (None, False)]
)
async def test_cl_2_where_that_is_not_the_rule_only_allowed_devices_open_themselves(
    value: object, is_open: bool
) -> None:
    services = ClaimServices(allow_by_default=False)
    device = await services.device()
    if value is not None:
        await services.attributes.save(device.ref, Scope.SERVER, {CLAIMING_ALLOWED: value}, actor="test")

    await services.opened(device)

    assert bool(await services.windows.list(device)) is is_open
    assert [entry.code for entry in await services.audit("claim-window-refused")] == (
        [] if is_open else ["claiming-not-allowed"]
    )


async def test_cm_4_where_a_secret_is_needed_none_opens_nothing() -> None:
    services = ClaimServices(allow_empty_secret=False)
    device = await services.device()

    await services.opened(device, "")

    assert await services.windows.list(device) == []
    assert [entry.code for entry in await services.audit("claim-window-refused")] == ["empty-secret"]


async def test_a_secret_has_at_most_255_characters() -> None:
    services = ClaimServices()
    device = await services.device()

    await services.opened(device, "\N{GRINNING FACE}" * 255)
    with pytest.raises(InvalidValue, match="255"):
        await services.opened(device, "x" * 256)
    with pytest.raises(InvalidValue, match="255"):
        await services.windows.open_by_administrator(device, secret=Secret("x" * 256), actor="test")

    assert len(await services.windows.list(device)) == 1


async def test_a_device_that_is_gone_and_a_database_that_is_away_are_told() -> None:
    services = ClaimServices()
    device, gone = await services.device(), await services.device("gone")
    await services.devices.delete(gone, actor="test")

    with pytest.raises(NotFound):
        await services.opened(gone)
    with pytest.raises(NotFound):
        await services.windows.open_by_administrator(gone, actor="test")
    with pytest.raises(NotFound):
        await services.windows.close(gone, actor="test")
    services.away = True
    with pytest.raises(Unavailable):
        await services.opened(device)

    assert services.told == []


# -- by others -------------------------------------------------------------------------------------


async def test_an_administrator_is_told_the_secret_once() -> None:
    services = ClaimServices()
    device = await services.device()

    opened = await services.windows.open_by_administrator(device, actor="user:ada@example.org")

    found = await window(services, device, ClaimOpener.ADMINISTRATOR)
    assert found.secret_digest == claim_digest(services.keyring, device.public_id, opened.secret)
    assert opened.until_ms == found.expires_at_ms == services.now_ms + 365 * DAY_MS
    (attribute,) = await services.storage.device_attributes(device.id)
    assert (attribute.key, attribute.value["secretKey"]) == (CLAIMING_DATA, "***")
    assert opened.secret.reveal() not in repr(opened)
    (entry,) = await services.audit("claim-window-opened")
    assert entry.actor == "user:ada@example.org"


async def test_an_administrator_may_choose_secret_and_end() -> None:
    services = ClaimServices()
    device = await services.device()

    until_ms = services.now_ms

    opened = await services.windows.open_by_administrator(
        device, secret=Secret("s"), until_ms=until_ms, actor="test"
    )

    assert (opened.secret, opened.until_ms) == (Secret("s"), until_ms)
    assert (await window(services, device, ClaimOpener.ADMINISTRATOR)).weak
    with pytest.raises(InvalidValue):
        await services.windows.open_by_administrator(device, secret=Secret(""), actor="test")


async def test_an_administrator_is_told_what_could_open_nothing() -> None:
    services = ClaimServices()
    device, buyer = await services.device(), await services.buyer()
    windows = services.windows

    with pytest.raises(InvalidValue, match="over"):
        await windows.open_by_administrator(device, until_ms=services.now_ms - 1, actor="test")
    assert await windows.list(device) == []
    await services.opened(device)
    owned = await services.claim(buyer, device)
    with pytest.raises(InvalidValue, match="release it first"):
        await windows.open_by_administrator(owned, actor="test")


async def test_cl_8_an_administrator_needs_no_permission() -> None:
    services = ClaimServices(allow_by_default=False)
    device = await services.device()

    await services.windows.open_by_administrator(device, actor="test")

    assert (await window(services, device, ClaimOpener.ADMINISTRATOR)).secret_digest is not None


async def test_an_owner_offers_only_what_is_his_at_that_moment() -> None:
    services = ClaimServices()
    device = await services.device()
    customer = await services.customer()
    owned = await services.ownership.assign(device, customer, actor="test")

    opened = await services.windows.open_by_owner(owned, actor="test", origin=ORIGIN)
    await services.ownership.assign(owned, None, actor="test")

    assert opened.until_ms == services.now_ms + DAY_MS
    with pytest.raises(NotFound):
        await services.windows.open_by_owner(owned, actor="test", origin=ORIGIN)
    assert await services.windows.list(device) == []


# -- closing ---------------------------------------------------------------------------------------


async def test_all_windows_are_closed_unless_some_are_named() -> None:
    services = ClaimServices()
    device = await services.device()
    await services.opened(device)
    await services.windows.open_by_administrator(device, actor="test")

    await services.windows.close(device, opened_by=(ClaimOpener.DEVICE,), actor="test")
    assert [each.opened_by for each in await services.windows.list(device)] == [ClaimOpener.ADMINISTRATOR]
    await services.windows.close(device, actor="test")

    assert await services.windows.list(device) == []
    assert await services.storage.device_attributes(device.id) == []
    assert len(await services.audit("claim-window-closed")) == 2


# -- clocks ----------------------------------------------------------------------------------------


async def test_cm_8_a_clock_that_is_put_back_does_not_open_for_longer_and_not_for_shorter() -> None:
    services = ClaimServices()
    before, after = await services.device("before"), await services.device("after")
    buyer = await services.buyer()
    await services.opened(before, SECRET, MINUTE_MS)

    services.now_ms -= DAY_MS
    await services.opened(after, SECRET, MINUTE_MS)
    services.advance(MINUTE_MS)
    assert (await services.claim(buyer, after)).customer_id == buyer.customer_id
    services.advance(2)  # seconds as a float are a little less than one millisecond

    assert await services.refused(buyer, before) == "expired"


async def test_cm_8_what_has_ended_while_the_clock_was_ahead_stays_ended() -> None:
    services = ClaimServices()
    device, buyer = await services.device(), await services.buyer()
    await services.opened(device, SECRET, MINUTE_MS)

    services.now_ms += DAY_MS
    assert await services.refused(buyer, device) == "expired"
    services.now_ms -= 2 * DAY_MS
    assert await services.refused(buyer, device) == "expired"

    await services.opened(device, SECRET, MINUTE_MS)
    assert (await services.claim(buyer, device)).customer_id == buyer.customer_id


async def test_a_clock_that_was_ahead_when_the_server_started_locks_nobody_out() -> None:
    services = ClaimServices()
    device, buyer = await services.device(), await services.buyer()

    services.now_ms -= 365 * DAY_MS
    await services.opened(device, SECRET, MINUTE_MS)

    assert (await services.claim(buyer, device)).customer_id == buyer.customer_id


async def test_nothing_shows_a_digest() -> None:
    services = ClaimServices()
    device = await services.device()
    await services.opened(device)
    (found,) = await services.windows.list(device)

    assert repr(found.secret_digest) not in repr(found)
    assert repr(replace(found, device_id=1)) == repr(replace(found, device_id=1, secret_digest=b"other"))
