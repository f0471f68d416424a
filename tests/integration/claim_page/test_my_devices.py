"""What owners do with their devices on the claim page."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect
from tests.integration.claim_page.shop import Buyer, Shop
from tests.integration.claim_page.visitor import Visitor
from tests.services import require_tool

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def at_devices(visitor: Visitor, shop: Shop, buyer: Buyer) -> Locator:
    """Log in, and return the devices that are listed."""
    await visitor.open(shop.page)
    await visitor.log_in(buyer)
    await visitor.is_at("devices")
    listed = visitor.view("devices").get_by_role("listitem")
    found = listed.or_(visitor.page.get_by_text("You have no device yet."))
    await expect(found.locator("visible=true").first).to_be_visible()
    return listed


async def test_who_has_no_device_is_told(visitor: Visitor, shop: Shop, ann: Buyer) -> None:
    listed = await at_devices(visitor, shop, ann)

    await expect(listed).to_have_count(0)
    await expect(visitor.page.get_by_text("You have no device yet.")).to_be_visible()


async def test_only_the_own_devices_are_listed_with_name_label_and_since_when(
    visitor: Visitor, shop: Shop, ann: Buyer
) -> None:
    await shop.device("meter-7", ann, label="Cellar")
    await shop.device("meter-8", await shop.buyer("bob"))

    listed = await at_devices(visitor, shop, ann)

    await expect(listed).to_have_count(1)
    await expect(listed.get_by_role("heading")).to_have_text("Cellar")
    for words in ("meter-7", "Not connected", "Yours since 15 January 2027"):
        await expect(listed).to_contain_text(words)


async def test_many_devices_come_page_by_page(visitor: Visitor, shop: Shop, ann: Buyer) -> None:
    for number in range(53):
        await shop.device(f"meter-{number:02}", ann)
    listed = await at_devices(visitor, shop, ann)
    await expect(listed).to_have_count(50)

    await visitor.page.get_by_role("button", name="Show more").click()

    await expect(listed).to_have_count(53)
    await expect(visitor.page.get_by_role("button", name="Show more")).to_be_hidden()
    await expect(listed.nth(50).get_by_role("button", name="Rename")).to_be_focused()
    assert len(set(await listed.get_by_role("heading").all_inner_texts())) == 53


# -- a friendly name -----------------------------------------------------------------------------------


async def rename(visitor: Visitor, listed: Locator, label: str) -> None:
    await listed.get_by_role("button", name="Rename").click()
    await visitor.page.get_by_role("dialog").get_by_label("Your name for the device").fill(label)
    await visitor.page.keyboard.press("Enter")


async def test_a_device_gets_a_friendly_name_and_loses_it(visitor: Visitor, shop: Shop, ann: Buyer) -> None:
    await shop.device("meter-7", ann)
    listed = await at_devices(visitor, shop, ann)

    await rename(visitor, listed, " Heizung im Keller 🔥 ")

    await expect(listed.get_by_role("heading")).to_have_text("Heizung im Keller 🔥")
    await expect(listed).to_contain_text("meter-7")
    await visitor.is_told("devices", "The new name is saved.")
    await expect(listed.get_by_role("button", name="Rename")).to_be_focused()
    await rename(visitor, listed, "")
    await expect(listed.get_by_role("heading")).to_have_text("meter-7")
    device = await shop.server.device("meter-7")
    assert device is not None
    assert not device.label


async def test_a_friendly_name_that_is_too_long_is_not_sent(visitor: Visitor, shop: Shop, ann: Buyer) -> None:
    await shop.device("meter-7", ann)
    listed = await at_devices(visitor, shop, ann)

    await rename(visitor, listed, "n" * 256)

    field = visitor.page.get_by_role("dialog").get_by_label("Your name for the device")
    await expect(field).to_have_accessible_description(re.compile("^The name has at most 255 characters."))
    await visitor.page.keyboard.press("Escape")
    await expect(visitor.page.get_by_role("dialog")).to_have_count(0)


# -- giving it back ------------------------------------------------------------------------------------


async def test_cn_5_a_device_is_released_when_its_name_is_typed(visitor: Visitor, shop: Shop, ann: Buyer) -> None:
    await shop.device("meter-7", ann, label="Cellar")
    listed = await at_devices(visitor, shop, ann)
    await listed.get_by_role("button", name="Release").click()
    dialog = visitor.page.get_by_role("dialog")
    await expect(dialog).to_have_accessible_name("Release Cellar?")
    await dialog.get_by_label("Type the name meter-7 to confirm").fill("Cellar")
    await dialog.get_by_role("button", name="Release device").click()
    await expect(dialog.get_by_text("This is not the name of the device.")).to_be_visible()
    assert await shop.owner_of("meter-7") == ann.customer.id

    await dialog.get_by_label("Type the name").fill("meter-7")
    await dialog.get_by_role("button", name="Release device").click()

    await visitor.is_told("devices", "Cellar is released.")
    await expect(visitor.page.get_by_text("You have no device yet.")).to_be_visible()
    assert await shop.owner_of("meter-7") is None


async def test_who_cancels_keeps_the_device(visitor: Visitor, shop: Shop, ann: Buyer) -> None:
    await shop.device("meter-7", ann)
    listed = await at_devices(visitor, shop, ann)
    await listed.get_by_role("button", name="Release").click()

    await visitor.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()

    await expect(listed.get_by_role("button", name="Release")).to_be_focused()
    assert await shop.owner_of("meter-7") == ann.customer.id


async def test_cm_6_a_device_that_is_somebody_elses_by_now_leaves_the_list(
    visitor: Visitor, shop: Shop, ann: Buyer
) -> None:
    device = await shop.device("meter-7", ann)
    listed = await at_devices(visitor, shop, ann)
    await shop.services.ownership.assign(device, (await shop.buyer("bob")).customer, actor="test")

    await rename(visitor, listed, "mine")

    await visitor.is_told("devices", "The device is not yours any more.")
    await expect(listed).to_have_count(0)


# -- handing it over -----------------------------------------------------------------------------------


async def hand_over(visitor: Visitor, listed: Locator) -> Locator:
    """Let a code be made; return the dialog that shows it."""
    await listed.get_by_role("button", name="Hand over").click()
    dialog = visitor.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Make a code").click()
    await expect(dialog.get_by_text("Show this code to the next owner.")).to_be_focused()
    return dialog


async def test_a_device_goes_to_the_next_owner_with_the_code_that_is_shown(
    visitor: Visitor, shop: Shop, ann: Buyer, tmp_path: Path
) -> None:
    await shop.device("meter 7", ann)
    bob = await shop.buyer("bob")
    dialog = await hand_over(visitor, await at_devices(visitor, shop, ann))
    picture = tmp_path / "code.png"
    await dialog.get_by_role("img", name="Code to scan for the next owner").screenshot(path=picture)
    shown = await dialog.locator("[data-secret]").inner_text()

    link = _read_code(picture)

    assert link == f"{_public(shop)}/claim#name=meter%207&secret={shown.replace(' ', '')}"
    assert await shop.owner_of("meter 7") == ann.customer.id
    await dialog.get_by_role("button", name="Close").click()
    await visitor.page.get_by_role("button", name="Log out").click()
    await visitor.open(link.replace(_public(shop), shop.server.url))
    await visitor.log_in(bob)
    await visitor.view("claim").get_by_role("button", name="Claim device").click()
    await visitor.is_at("claimed")
    assert await shop.owner_of("meter 7") == bob.customer.id


def _public(shop: Shop) -> str:
    return f"http://localhost:{shop.server.http_port}"


def _read_code(picture: Path) -> str:
    command = [require_tool("zbarimg"), "--quiet", "--raw", str(picture)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


async def test_cn_4_a_code_is_gone_from_the_page_when_it_is_closed(
    visitor: Visitor, shop: Shop, ann: Buyer
) -> None:
    await shop.device("meter-7", ann)
    dialog = await hand_over(visitor, await at_devices(visitor, shop, ann))
    secret = await dialog.locator("[data-secret]").inner_text()
    assert len(secret.replace(" ", "")) == 16

    await visitor.page.keyboard.press("Escape")

    await expect(visitor.page.get_by_role("dialog")).to_have_count(0)
    assert secret not in await visitor.page.content()
    assert await visitor.page.evaluate("document.querySelector('#hand-over canvas').width") == 0


async def test_a_code_that_is_taken_back_opens_nothing(visitor: Visitor, shop: Shop, ann: Buyer) -> None:
    await shop.device("meter-7", ann)
    dialog = await hand_over(visitor, await at_devices(visitor, shop, ann))
    device = await shop.server.device("meter-7")
    assert device is not None
    assert len(await shop.services.claim_windows.list(device)) == 1

    await dialog.get_by_role("button", name="Take the code back").click()

    await visitor.is_told("devices", "The code is worth nothing any more.")
    assert await shop.services.claim_windows.list(device) == []
