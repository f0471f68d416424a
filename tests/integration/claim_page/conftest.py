"""One browser for the tests of a module, one server for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser
from tests.integration.claim_page.shop import Buyer, Shop, open_shop
from tests.integration.claim_page.visitor import Visitor, chromium, visit
from tests.integration.provisioning.fake_clock import FakeClock


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop whose time stands still; who wants may sign up."""
    async with open_shop(tmp_path, time=FakeClock(), claiming={"sign_up": ["default"]}) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(browser: Browser, shop: Shop) -> AsyncIterator[Visitor]:
    async with visit(browser, shop.host) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def ann(shop: Shop) -> Buyer:
    return await shop.buyer("ann")


@pytest_asyncio.fixture(loop_scope="module")
async def at_claim(visitor: Visitor, shop: Shop, ann: Buyer) -> Visitor:
    """Somebody who is logged in and sees the form for a claim."""
    await visitor.open(shop.page)
    await visitor.log_in(ann)
    await visitor.is_at("devices")
    await visitor.page.get_by_role("navigation").get_by_role("button", name="Claim").click()
    await visitor.is_at("claim")
    return visitor
