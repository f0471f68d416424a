"""Customers claim their devices in a real browser."""

from __future__ import annotations

import logging

import pytest
from playwright.async_api import expect
from tests.integration.claim_page.shop import HOUR_MS, SECRET, SHELF, Buyer, Shop
from tests.integration.claim_page.visitor import Visitor

from firstboot.secret import Secret

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_device_is_claimed_with_the_name_and_secret_that_somebody_types(
    at_claim: Visitor, shop: Shop, ann: Buyer
) -> None:
    await shop.on_the_shelf("meter-7")

    await at_claim.claim(" meter-7 ", f" {SECRET} ")

    await at_claim.is_at("claimed")
    await expect(at_claim.view("claimed")).to_contain_text("Device was successfully claimed!")
    await expect(at_claim.view("claimed").locator("[data-claimed]")).to_have_text("meter-7")
    await expect(at_claim.page.locator("#claimed-heading")).to_be_focused()
    assert await shop.owner_of("meter-7") == ann.customer.id
    await at_claim.page.get_by_role("button", name="Show my devices").click()
    await expect(at_claim.view("devices").get_by_role("listitem")).to_contain_text("meter-7")


async def test_cm_9_a_link_fills_everything_in_and_claims_nothing_before_it_is_told_to(
    visitor: Visitor, shop: Shop, ann: Buyer
) -> None:
    await shop.on_the_shelf("Zähler 7 & co/+1")
    await visitor.open(shop.link("Zähler 7 & co/+1"))
    assert visitor.page.url == shop.page
    await expect(visitor.view("log-in")).to_contain_text("Log in to claim the device Zähler 7 & co/+1.")

    await visitor.log_in(ann)

    await visitor.is_at("claim")
    await expect(visitor.view("claim").get_by_label("Device name")).to_have_value("Zähler 7 & co/+1")
    await expect(visitor.view("claim").get_by_label("Secret key")).to_have_value(SECRET)
    assert visitor.sent("/api/firstboot/claims") == 0
    assert await shop.owner_of("Zähler 7 & co/+1") is None
    await visitor.view("claim").get_by_role("button", name="Claim device").click()
    await visitor.is_at("claimed")
    assert await shop.owner_of("Zähler 7 & co/+1") == ann.customer.id


async def test_cm_9_the_secret_of_a_link_is_in_no_address_of_a_request_no_history_and_no_log(
    visitor: Visitor, shop: Shop, ann: Buyer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await shop.on_the_shelf("meter-7")
    await visitor.open(shop.link("meter-7"))
    await visitor.log_in(ann)
    await visitor.is_at("claim")

    await visitor.view("claim").get_by_role("button", name="Claim device").click()

    await visitor.is_at("claimed")
    assert not any(SECRET in url for method, url in visitor.requests if "#" not in url)
    assert await visitor.page.evaluate("[location.href, document.referrer]") == [shop.page, ""]
    assert await visitor.page.content() != ""
    assert SECRET not in await visitor.page.content()
    kept = await visitor.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert kept == "[{},{}]"
    assert SECRET not in "".join(str(vars(record)) for record in caplog.records)


async def test_a_second_link_in_the_same_window_is_followed(at_claim: Visitor, shop: Shop) -> None:
    await at_claim.page.evaluate("location.hash = 'name=meter-8&secret=other'")

    await expect(at_claim.view("claim").get_by_label("Device name")).to_have_value("meter-8")
    assert at_claim.page.url == shop.page


async def test_a_claim_without_name_or_secret_is_not_sent_and_the_field_is_named(at_claim: Visitor) -> None:
    await at_claim.view("claim").get_by_role("button", name="Claim device").click()

    name = at_claim.view("claim").get_by_label("Device name")
    await expect(name).to_be_focused()
    await expect(name).to_have_attribute("aria-invalid", "true")
    await expect(name).to_have_accessible_description("Device name is required")
    await expect(at_claim.view("claim").get_by_label("Secret key")).to_have_accessible_description(
        "Secret key is required"
    )
    assert at_claim.sent("/api/firstboot/claims") == 0
    await name.fill("m")
    await expect(name).not_to_have_attribute("aria-invalid", "true")


# -- refusals ----------------------------------------------------------------------------------------


async def test_a_wrong_secret_is_told(at_claim: Visitor, shop: Shop) -> None:
    await shop.on_the_shelf("meter-7")

    await at_claim.claim("meter-7", "WRONG")

    await at_claim.is_told("claim", "The secret is not right.")
    assert await shop.owner_of("meter-7") is None


async def test_cm_8_the_end_of_the_time_is_told_to_the_millisecond(
    at_claim: Visitor, shop: Shop, ann: Buyer
) -> None:
    assert shop.time is not None
    device = await shop.device("meter-7")
    await shop.services.claim_windows.open_by_device(device.ref, Secret(SECRET), HOUR_MS, SHELF)
    shop.time.advance(3600.001)

    await at_claim.claim("meter-7", SECRET)

    await at_claim.is_told("claim", "The time to claim this device is over.")
    shop.time.advance(-0.001)
    await at_claim.claim("meter-7", SECRET)
    await at_claim.is_at("claimed")


async def test_a_device_of_somebody_else_is_told(at_claim: Visitor, shop: Shop) -> None:
    await shop.device("meter-7", await shop.buyer("bob"))

    await at_claim.claim("meter-7", SECRET)

    await at_claim.is_told("claim", "This device belongs to somebody else already.")


async def test_an_own_device_is_told(at_claim: Visitor, shop: Shop, ann: Buyer) -> None:
    await shop.device("meter-7", ann)

    await at_claim.claim("meter-7", SECRET)

    await at_claim.is_told("claim", "This device is yours already.")


async def test_a_device_that_is_not_open_is_told_with_what_to_do(at_claim: Visitor, shop: Shop) -> None:
    await shop.device("meter-7")

    await at_claim.claim("meter-7", SECRET)

    await at_claim.is_told("claim", "Press the button on the device, then try again.")


async def test_a_name_that_no_device_has_is_told(at_claim: Visitor) -> None:
    await at_claim.claim("no-such-meter", SECRET)

    await at_claim.is_told("claim", "Device not found!")


async def test_cm_1_who_has_guessed_too_often_is_told_until_when_to_wait(at_claim: Visitor, shop: Shop) -> None:
    await shop.on_the_shelf("meter-7")
    for _ in range(5):
        await at_claim.claim("meter-7", "WRONG")
        await at_claim.is_told("claim", "The secret is not right.")

    await at_claim.claim("meter-7", SECRET)

    await at_claim.is_told("claim", "Too many attempts. Please try again at ")
    await expect(at_claim.view("claim").locator(".outcome")).to_have_text(
        await at_claim.page.evaluate(_IN_A_QUARTER_OF_AN_HOUR), use_inner_text=True
    )
    assert await shop.owner_of("meter-7") is None


_IN_A_QUARTER_OF_AN_HOUR = """
() => {
  const text = document.querySelector("#claim .outcome").textContent;
  const [hour, minute] = text.match(/(\\d\\d):(\\d\\d)/).slice(1).map(Number);
  const now = new Date();
  const wait = (hour * 60 + minute - now.getHours() * 60 - now.getMinutes() + 1440) % 1440;
  return wait === 15 || wait === 14 ? text : `${text} (${wait} minutes)`;
}
"""


async def test_a_lost_connection_is_told_and_the_next_try_works(at_claim: Visitor, shop: Shop, ann: Buyer) -> None:
    await shop.on_the_shelf("meter-7")
    await at_claim.context.set_offline(True)

    await at_claim.claim("meter-7", SECRET)

    await at_claim.is_told("claim", "There is no connection.")
    await at_claim.context.set_offline(False)
    await at_claim.view("claim").get_by_role("button", name="Claim device").click()
    await at_claim.is_at("claimed")
    assert await shop.owner_of("meter-7") == ann.customer.id


async def test_a_server_that_has_too_much_to_do_is_told(at_claim: Visitor) -> None:
    await at_claim.page.route("**/claims", lambda route: route.fulfill(status=503, headers={"retry-after": "1"}))

    await at_claim.claim("meter-7", SECRET)

    await at_claim.is_told("claim", "The server is busy.")


async def test_two_presses_claim_once(at_claim: Visitor, shop: Shop) -> None:
    await shop.on_the_shelf("meter-7")
    await at_claim.view("claim").get_by_label("Device name").fill("meter-7")
    await at_claim.view("claim").get_by_label("Secret key").fill(SECRET)

    await at_claim.view("claim").get_by_role("button", name="Claim device").dblclick()

    await at_claim.is_at("claimed")
    assert at_claim.sent("/api/firstboot/claims") == 1


async def test_lg_7_who_is_logged_out_elsewhere_logs_in_again_and_finds_what_was_typed(
    at_claim: Visitor, shop: Shop, ann: Buyer
) -> None:
    await shop.on_the_shelf("meter-7")
    await shop.services.users.disable(ann.user, actor="test")

    await at_claim.claim("meter-7", SECRET)

    await at_claim.is_told("log-in", "Your session has ended.")
    await shop.services.users.enable(ann.user, actor="test")
    await at_claim.log_in(ann)
    await at_claim.is_at("claim")
    await expect(at_claim.view("claim").get_by_label("Secret key")).to_have_value(SECRET)
