"""The camera reads the code on a label, in a browser whose camera shows a film of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from tests.integration.claim_page.camera import film
from tests.integration.claim_page.shop import SECRET, Buyer, Shop
from tests.integration.claim_page.visitor import Visitor, chromium, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def visitor_with_camera(shop: Shop, ann: Buyer, picture: Path, script: str = "") -> AsyncIterator[Visitor]:
    """Log somebody in who may use a camera, and is at the form for a claim."""
    flags = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    async with (
        chromium(*flags, f"--use-file-for-fake-video-capture={picture}") as browser,
        visit(browser, shop.host) as visitor,
    ):
        if script:
            await visitor.context.add_init_script(script)
        await at_claim(visitor, shop, ann)
        yield visitor


async def at_claim(visitor: Visitor, shop: Shop, ann: Buyer) -> None:
    await visitor.open(shop.page)
    await visitor.log_in(ann)
    await visitor.is_at("devices")
    await visitor.page.get_by_role("navigation").get_by_role("button", name="Claim").click()


async def test_a_scanned_code_fills_the_form_in_and_claims_only_when_told_to(
    tmp_path: Path, shop: Shop, ann: Buyer
) -> None:
    await shop.on_the_shelf("Zähler 7")
    picture = film(tmp_path / "label.y4m", shop.link("Zähler 7"))

    async with visitor_with_camera(shop, ann, picture) as visitor:
        await visitor.view("claim").get_by_role("button", name="Scan code").click()

        await visitor.is_told("claim", "The code was read.")
        await expect(visitor.page.get_by_role("dialog")).to_have_count(0)
        await expect(visitor.view("claim").get_by_label("Device name")).to_have_value("Zähler 7")
        await expect(visitor.view("claim").get_by_label("Secret key")).to_have_value(SECRET)
        await expect(visitor.view("claim").get_by_role("button", name="Claim device")).to_be_focused()
        assert visitor.sent("/api/firstboot/claims") == 0
        assert await _cameras_in_use(visitor) == 0
        await visitor.page.keyboard.press("Enter")
        await visitor.is_at("claimed")
    assert await shop.owner_of("Zähler 7") == ann.customer.id


async def test_the_code_of_something_else_is_told_and_goes_nowhere(tmp_path: Path, shop: Shop, ann: Buyer) -> None:
    picture = film(tmp_path / "poster.y4m", "https://evil.example/?name=meter-7")

    async with visitor_with_camera(shop, ann, picture) as visitor:
        await visitor.view("claim").get_by_role("button", name="Scan code").click()

        await visitor.is_told("scan", "This code is not one of a device.")
        await visitor.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        await expect(visitor.page.get_by_role("dialog")).to_have_count(0)
        await expect(visitor.view("claim").get_by_label("Device name")).to_have_value("")
        assert visitor.page.url == shop.page
        assert await _cameras_in_use(visitor) == 0


async def _cameras_in_use(visitor: Visitor) -> int:
    stream = "document.querySelector('#scan video').srcObject"
    count: int = await visitor.page.evaluate(f"{stream} === null ? 0 : {stream}.getTracks().length")
    return count


_OWN_DETECTOR = """
globalThis.BarcodeDetector = class {
  static async getSupportedFormats() { return ["qr_code"]; }
  async detect(video) {
    return video.videoWidth ? [{ rawValue: "https://elsewhere.example/claim#name=meter-7&secret=ABC" }] : [];
  }
};
"""


async def test_a_browser_that_reads_codes_itself_needs_no_reader_of_ours(
    tmp_path: Path, shop: Shop, ann: Buyer
) -> None:
    picture = film(tmp_path / "nothing.y4m", "nothing")

    async with visitor_with_camera(shop, ann, picture, _OWN_DETECTOR) as visitor:
        await visitor.view("claim").get_by_role("button", name="Scan code").click()

        await visitor.is_told("claim", "The code was read.")
        await expect(visitor.view("claim").get_by_label("Device name")).to_have_value("meter-7")
        assert not any("/qr/" in url for _, url in visitor.requests)


async def test_a_camera_that_is_not_allowed_is_told(browser: Browser, shop: Shop, ann: Buyer) -> None:
    async with visit(browser, shop.host) as visitor:
        await at_claim(visitor, shop, ann)

        await visitor.view("claim").get_by_role("button", name="Scan code").click()

        await visitor.is_told("scan", "camera")
        await visitor.page.keyboard.press("Escape")
        await expect(visitor.page.get_by_role("dialog")).to_have_count(0)


async def test_where_no_page_may_use_a_camera_there_is_no_button_for_it(
    browser: Browser, shop: Shop, ann: Buyer
) -> None:
    async with visit(browser, shop.host) as visitor:
        # As in a page without encryption that comes from another machine.
        await visitor.context.add_init_script(
            "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})"
        )
        await at_claim(visitor, shop, ann)

        await visitor.is_at("claim")
        await expect(visitor.view("claim").get_by_role("button", name="Scan code")).to_be_hidden()
