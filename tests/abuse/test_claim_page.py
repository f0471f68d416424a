"""CN-1, CN-4, CM-9: links that were made to break the claim page, and what is left behind on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from tests.integration.claim_page.shop import PASSWORD, SECRET, Buyer, Shop, open_shop
from tests.integration.claim_page.visitor import Visitor, chromium, visit

from firstboot_plugins.admin.browser_sessions import PLAIN_COOKIE

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = {"sec-fetch-site": "same-origin"}
LINKS = (
    "name=%E0%A4%A&secret=%",
    "name=%00%01%1b[2J&secret=%0d%0a",
    "name=__proto__&secret=constructor&tenant=toString",
    "name=a&name=b&secret=c&secret=d",
    "name=%F0%9F%98%80%E2%80%AE&secret=%EF%BB%BF",
    "activate=../../api/auth/logout&name=x",
    "activate=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
    "//evil.example/#name=x",
    "javascript:alert(1)",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path, claiming={"sign_up": ["default"]}) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def ann(shop: Shop) -> Buyer:
    return await shop.buyer("ann")


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(browser: Browser, shop: Shop) -> AsyncIterator[Visitor]:
    async with visit(browser, shop.host) as opened:
        yield opened


async def test_cn_1_links_that_were_made_to_break_the_page_do_not(
    visitor: Visitor, shop: Shop, ann: Buyer
) -> None:
    """CN-1, CM-9: nothing runs, nothing is sent, and the page is still there to log in."""
    for link in (*LINKS, f"name={'x' * 100_000}"):
        await visitor.open(f"{shop.page}#{link}")
        assert visitor.page.url == shop.page, link[:40]
        await expect(visitor.page.locator("main > section:visible")).to_have_count(1)
        visitor.has_seen_nothing_bad()

    assert {method for method, _ in visitor.requests} == {"GET"}
    await visitor.open(shop.page)
    await visitor.log_in(ann)
    await visitor.is_at("devices")


async def test_cn_4_who_goes_back_to_the_page_finds_no_password_and_no_secret(
    visitor: Visitor, shop: Shop
) -> None:
    """CN-4: the next one at the same browser."""
    await visitor.open(shop.link("meter-7"))
    await visitor.page.get_by_role("button", name="Create an account").click()
    form = visitor.view("sign-up")
    await form.get_by_label("E-mail address").fill("ann@example.com")
    await form.get_by_label("Password", exact=True).fill(PASSWORD)
    await expect(form.get_by_label("Secret key")).to_have_value(SECRET)

    await visitor.page.goto(f"{shop.server.url}/health")
    await visitor.page.go_back()
    await expect(visitor.page.locator("#loading")).to_be_hidden()

    values = await visitor.page.eval_on_selector_all("input", "all => all.map(each => each.value).join('|')")
    assert PASSWORD not in values
    assert SECRET not in values


async def test_cn_2_a_cookie_that_somebody_has_planted_is_nobodys_session_after_a_login(
    shop: Shop, ann: Buyer
) -> None:
    """CN-2: the session that begins has a token of its own, and the planted one stays what it was."""
    eve = await shop.buyer("eve")
    async with httpx2.AsyncClient(base_url=shop.server.url) as client:
        await client.post("/claim/session", json={"email": eve.email, "password": PASSWORD}, headers=OURS)
        planted = client.cookies[PLAIN_COOKIE]
        await client.post("/claim/session", json={"email": ann.email, "password": PASSWORD}, headers=OURS)
        assert client.cookies[PLAIN_COOKIE] != planted
    headers = {**OURS, "cookie": f"{PLAIN_COOKIE}={planted}"}
    async with httpx2.AsyncClient(base_url=shop.server.url) as other:
        assert (await other.get("/claim/session", headers=headers)).json()["email"] == eve.email


@pytest.mark.parametrize(
    "name", ["../page.html", "..%2f..%2fpage.py", "%2e%2e/routes.py", "/etc/passwd", "main.js%00.css"]
)
async def test_ht_7_only_the_files_of_the_page_are_served(shop: Shop, name: str) -> None:
    async with httpx2.AsyncClient(base_url=shop.server.url) as client:
        page = (await client.get("/claim")).text
        folder = page.partition('href="')[2].partition("/icon.svg")[0]
        answer = await client.get(f"/{folder}/{name}")

    assert answer.status_code in (400, 404)
    assert "import" not in answer.text
