"""Somebody who looks at the claim page with a real browser, and sees whether it does what it must not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect
from tests.integration.claim_page.shop import PASSWORD, Buyer
from tests.services import require_tool

PHONE = {"width": 390, "height": 844}
OWN_FLAGS = ("--no-sandbox", "--disable-dev-shm-usage")


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    """Run a browser."""
    program = require_tool("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*OWN_FLAGS, *flags])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visit(browser: Browser, own_host: str, **options: Any) -> AsyncIterator[Visitor]:
    """Open an empty page with a memory of its own; ``options`` are Playwright's, such as ``color_scheme``."""
    settings = {"viewport": PHONE, "reduced_motion": "reduce", "timezone_id": "UTC", "locale": "en-GB", **options}
    context = await browser.new_context(**settings)
    try:
        visitor = Visitor(context, await context.new_page(), own_host)
        yield visitor
        visitor.has_seen_nothing_bad()
    finally:
        await context.close()


class Visitor:
    """A browser window on the claim page."""

    def __init__(self, context: BrowserContext, page: Page, own_host: str) -> None:
        self.context = context
        self.page = page
        self._own_host = own_host
        self.requests: list[tuple[str, str]] = []
        """Method and address of everything that was asked for."""
        self.bad: list[str] = []
        page.on("request", lambda request: self.requests.append((request.method, request.url)))
        page.on("pageerror", lambda error: self.bad.append(f"error: {error}"))
        page.on("console", lambda message: self._hear(message.text))
        page.on("dialog", self._refuse)

    def _hear(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.bad.append(text)

    async def _refuse(self, dialog: Any) -> None:
        self.bad.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def has_seen_nothing_bad(self) -> None:
        """Fail if a script of somebody else ran, one of ours failed, or another host was asked."""
        assert self.bad == []
        assert self.other_hosts() == []

    def other_hosts(self) -> Sequence[str]:
        parts = [urlsplit(url) for _, url in self.requests]
        return [each.netloc for each in parts if each.scheme != "data" and each.netloc != self._own_host]

    def sent(self, path: str) -> int:
        """Return how often something was sent there that may change something."""
        return sum(method != "GET" and urlsplit(url).path == path for method, url in self.requests)

    # -- the page ------------------------------------------------------------------------------

    async def open(self, url: str) -> None:
        """Open an address as if it was typed: the page starts anew."""
        await self.page.goto("about:blank")
        self.requests = [each for each in self.requests if each[1] != "about:blank"]
        await self.page.goto(url)
        await expect(self.page.locator("#loading")).to_be_hidden()

    def view(self, name: str) -> Locator:
        """Return a view, or a dialog."""
        return self.page.locator(f"#{name}")

    async def is_at(self, name: str) -> None:
        """Wait for a view; no other one is shown, and its heading has the focus."""
        await expect(self.view(name)).to_be_visible()
        await expect(self.page.locator("main > section:visible")).to_have_count(1)

    async def log_in(self, buyer: Buyer | str, password: str = PASSWORD) -> None:
        """Fill in the form that is shown, and send it."""
        await self.is_at("log-in")
        await (
            self.page.get_by_label("E-mail address")
            .locator("visible=true")
            .fill(buyer if isinstance(buyer, str) else buyer.email)
        )
        await self.view("log-in").get_by_label("Password", exact=True).fill(password)
        await self.view("log-in").get_by_role("button", name="Log in").click()

    async def claim(self, name: str, secret: str | None = None) -> None:
        """Fill in the form for a claim, and send it."""
        await self.is_at("claim")
        await self.view("claim").get_by_label("Device name").fill(name)
        if secret is not None:
            await self.view("claim").get_by_label("Secret key").fill(secret)
        await self.view("claim").get_by_role("button", name="Claim device").click()

    async def is_told(self, view: str, text: str) -> None:
        """Wait until a view says this, in a place that is read aloud."""
        outcome = self.view(view).locator(".outcome:visible")
        await expect(outcome).to_contain_text(text)
        assert await outcome.get_attribute("role") in ("alert", "status")
