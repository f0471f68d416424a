"""CN-3: the page stands in a frame of those sites that the configuration names, and of no others."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Browser, expect
from tests.integration.claim_page.neighbour import neighbour
from tests.integration.claim_page.shop import SECRET, Shop, open_shop
from tests.integration.claim_page.visitor import visit
from tests.services import free_port

from firstboot.errors import StartRefused

pytestmark = pytest.mark.asyncio(loop_scope="module")

INSTEAD_OF_THE_PAGE = "chrome-error://chromewebdata/"
"""What Chromium shows where a page may not be shown."""


def frame_of(shop: Shop) -> str:
    return f'<!doctype html><title>Shop</title><iframe src="{shop.link("meter-7")}" allow="camera"></iframe>'


async def test_no_site_may_show_the_page_that_is_not_named(browser: Browser, shop: Shop) -> None:
    async with neighbour(frame_of(shop)) as origin, visit(browser, shop.host) as visitor:
        async with visitor.page.expect_console_message(lambda said: "frame-ancestors 'none'" in said.text):
            await visitor.page.goto(origin)

        (frame,) = visitor.page.frames[1:]
        await frame.wait_for_url(INSTEAD_OF_THE_PAGE)
        visitor.bad, visitor.requests = [], []


async def test_a_device_is_claimed_in_a_frame_of_a_site_that_is_named(tmp_path: Path, browser: Browser) -> None:
    port = free_port()
    settings = {"bind": f"127.0.0.1:{port}", "public_url": f"http://127.0.0.1:{port}"}
    async with (
        neighbour(f'<iframe src="http://127.0.0.1:{port}/claim#name=meter-7&secret={SECRET}">') as origin,
        open_shop(tmp_path, http=settings, claim_page={"embed_in": [origin]}) as shop,
        visit(browser, shop.host) as visitor,
    ):
        ann = await shop.buyer("ann")
        await shop.on_the_shelf("meter-7")
        await visitor.page.goto(origin)
        frame = visitor.page.frame_locator("iframe")
        await frame.get_by_label("E-mail address").locator("visible=true").fill(ann.email)
        await frame.locator("#log-in-password").fill("a right password")
        await frame.get_by_role("button", name="Log in").click()
        await frame.get_by_role("button", name="Claim device").click()

        await expect(frame.get_by_role("heading", name="Device was successfully claimed!")).to_be_visible()

        assert await shop.owner_of("meter-7") == ann.customer.id
        (cookie,) = await visitor.context.cookies()
        assert (cookie["name"], cookie["secure"], cookie["sameSite"]) == ("__Host-firstboot", True, "None")
        assert cookie["partitionKey"] == "http://localhost"
        visitor.requests = [each for each in visitor.requests if not each[1].startswith(origin)]


async def test_another_site_than_the_named_one_is_refused_all_the_same(tmp_path: Path, browser: Browser) -> None:
    async with (
        open_shop(tmp_path, claim_page={"embed_in": ["https://shop.example.com"]}) as shop,
        neighbour(frame_of(shop)) as origin,
        visit(browser, shop.host) as visitor,
    ):
        await visitor.page.goto(origin)

        (frame,) = visitor.page.frames[1:]
        await frame.wait_for_url(INSTEAD_OF_THE_PAGE)
        visitor.bad, visitor.requests = [], []


async def test_the_headers_name_the_sites_and_nothing_older_contradicts(tmp_path: Path) -> None:
    sites = ["https://shop.example.com", "https://shop.example.org:8443"]
    async with open_shop(tmp_path, claim_page={"embed_in": sites}) as shop, httpx2.AsyncClient() as client:
        headers = (await client.get(shop.page)).headers

        assert headers["content-security-policy"].endswith(
            "frame-ancestors https://shop.example.com https://shop.example.org:8443"
        )
        assert "x-frame-options" not in headers


async def test_a_server_without_encryption_that_others_reach_refuses_to_be_embedded(tmp_path: Path) -> None:
    settings = {"http": {"public_url": "http://iot.example.com"}}
    with pytest.raises(StartRefused, match=r"claim_page\.embed_in: needs TLS"):
        async with open_shop(tmp_path, claim_page={"embed_in": ["https://shop.example.com"]}, **settings):
            pass
