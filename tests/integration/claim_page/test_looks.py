"""CN-1 and accessibility: words stay words, and everybody can use the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.async_api import Browser, expect
from tests.integration.claim_page.shop import PASSWORD, SECRET, Buyer, Shop, open_shop
from tests.integration.claim_page.visitor import Visitor, visit

from firstboot_plugins.claim_page.page import OWN_TEXTS
from firstboot_plugins.claim_page.texts import TEXTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAYLOADS = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    '" autofocus onfocus="alert(1)',
    "' onmouseover='alert(1)",
    "{{7*7}}${7*7}javascript:alert(1)",
    "</title><svg/onload=alert(1)>",
)


# -- words that look like markup ---------------------------------------------------------------------


async def test_cn_1_words_of_the_configuration_are_shown_as_they_are(tmp_path: Path, browser: Browser) -> None:
    keys = [*OWN_TEXTS, *TEXTS]
    words = {key: f"{key}: {PAYLOADS[number % len(PAYLOADS)]} {{device}}" for number, key in enumerate(keys)}
    own = {key: words[key] for key in OWN_TEXTS}
    texts = {key: words[key] for key in TEXTS}
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>')
    settings = {**own, "texts": texts, "logo": str(logo), "privacy_url": 'https://example.com/?a="><script>'}
    async with (
        open_shop(tmp_path, claim_page=settings, claiming={"sign_up": ["default"]}) as shop,
        visit(browser, shop.host) as visitor,
    ):
        await shop.buyer("ann")
        await shop.device("meter-7", await shop.buyer("bob"))
        await visitor.open(shop.link("meter-7"))
        await visitor.view("log-in").locator("[type=email]").fill("bob@example.com")
        await visitor.view("log-in").locator("[name=password]").fill(PASSWORD)
        await visitor.view("log-in").locator("button.primary").click()
        await visitor.is_at("claim")
        await visitor.view("claim").locator("button.primary").click()
        await expect(visitor.view("claim").locator(".outcome")).to_have_text(words["already_yours"])
        await visitor.page.locator("nav [data-view=devices]").click()
        for dialog in ("rename", "hand-over", "release"):
            await visitor.page.locator(f"[data-{dialog}]").click()
            await visitor.page.keyboard.press("Escape")
        assert await visitor.page.title() == f"{words['devices_heading']} – {words['title']}"
        assert await visitor.page.locator("script").count() == 2
        assert await visitor.page.locator("[onerror], [onload], [onfocus], [onmouseover]").count() == 0
        image = await httpx_get(shop, await visitor.page.locator(".logo").get_attribute("src"))
        assert "sandbox" in image.headers["content-security-policy"]


async def httpx_get(shop: Shop, path: str | None) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.get(f"{shop.server.url}/{path}")


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_cn_1_words_of_a_link_and_of_a_device_are_shown_as_they_are(
    visitor: Visitor, shop: Shop, ann: Buyer, payload: str
) -> None:
    # What a name may not have in it is left out; a link may say anything.
    name = re.sub(r"<(?=[a-z/])|\{\{.*\}\}|javascript:", "(", payload)
    await shop.device(name, ann, label=f"{name}!")
    await visitor.open(shop.link(f"{payload}?", payload, tenant=payload))
    await expect(visitor.view("log-in")).to_contain_text(f"Log in to claim the device {payload}?.")

    await visitor.log_in(ann)

    await expect(visitor.view("claim").get_by_label("Device name")).to_have_value(f"{payload}?")
    await visitor.view("claim").get_by_role("button", name="Claim device").click()
    await visitor.is_told("claim", "Device not found!")
    await visitor.page.get_by_role("button", name="My devices").click()
    listed = visitor.view("devices").get_by_role("listitem")
    await expect(listed.get_by_role("heading")).to_have_text(f"{name}!")
    await listed.get_by_role("button", name="Release").click()
    await expect(visitor.page.get_by_role("dialog")).to_contain_text(f"Type the name {name} to confirm")


async def test_cn_3_page_and_files_have_the_headers_that_keep_browsers_strict(shop: Shop) -> None:
    async with httpx2.AsyncClient() as client:
        page = await client.get(shop.page)
        (path,) = re.findall(r"claim/static/\w+/page\.css", page.text)
        style = await client.get(f"{shop.server.url}/{path}")
        gone = await client.get(f"{shop.server.url}/claim/static/0000000000000000/page.css")

    assert page.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert page.headers["permissions-policy"] == "camera=(self)"
    assert page.headers["cache-control"] == "no-store"
    assert style.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (gone.status_code, gone.headers["cache-control"]) == (404, "no-store")
    for answer in (page, style, gone):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"


async def test_every_word_of_the_table_is_used_and_every_word_that_is_used_is_in_it() -> None:
    folder = Path(__file__).parents[3] / "plugins" / "firstboot_plugins" / "claim_page"
    scripts = "".join(file.read_text("utf-8") for file in sorted((folder / "static").glob("*.js")))
    in_page = set(re.findall(r"\$t_(\w+)", (folder / "page.html").read_text("utf-8")))
    known = {*OWN_TEXTS, *TEXTS}

    in_scripts = {word for word in re.findall(r"[\"']([a-z_]+)[\"']", scripts) if word in known}

    assert in_page <= known
    assert known - in_page - in_scripts - {"imprint", "privacy"} == set()
    asked_for = set(re.findall(r"\btext\(\"(\w+)\"", scripts)) | set(re.findall(r"required\(\"(\w+)\"", scripts))
    assert asked_for <= known


# -- for everybody -------------------------------------------------------------------------------------


async def test_a_device_is_claimed_and_released_with_the_keyboard_alone(
    visitor: Visitor, shop: Shop, ann: Buyer
) -> None:
    keys = visitor.page.keyboard
    await shop.on_the_shelf("meter-7")
    await visitor.open(shop.page)
    await expect(visitor.page.locator("#log-in-heading")).to_be_focused()
    await keys.press("Tab")
    await keys.type(ann.email)
    await keys.press("Tab")
    await keys.type(PASSWORD)
    await keys.press("Enter")
    await visitor.is_at("devices")
    for _ in range(2):  # back over "My devices" to "Claim"
        await keys.press("Shift+Tab")
    await keys.press("Enter")
    await visitor.is_at("claim")
    await keys.press("Tab")  # the camera
    await keys.press("Tab")
    await keys.type("meter-7")
    await keys.press("Tab")
    await keys.type(SECRET)
    await keys.press("Tab")
    await keys.press("Space")
    await visitor.is_at("claimed")
    await keys.press("Tab")
    await keys.press("Enter")
    await expect(visitor.view("devices").get_by_role("listitem")).to_have_count(1)
    for _ in range(3):
        await keys.press("Tab")
    await keys.press("Enter")
    await keys.type("meter-7")
    await keys.press("Enter")

    await visitor.is_told("devices", "meter-7 is released.")


_NAMELESS = """
() => [...document.querySelectorAll("input, button, video, canvas, dialog, nav, img, section")]
  .filter((each) => {
    const by = (each.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean);
    const said = each.matches("button") && each.textContent.trim();
    const named = each.labels?.length || each.ariaLabel || each.alt === "" || said;
    return !named && !(by.length && by.every((id) => document.getElementById(id)));
  })
  .map((each) => each.outerHTML.slice(0, 80))
"""
_UNREADABLE = """
() => {
  const rgb = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const part = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ground = (each) => {
    for (; each; each = each.parentElement) {
      const colour = rgb(getComputedStyle(each).backgroundColor);
      if (colour.length === 3) return colour;
    }
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const each = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !each.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(each).color)), light(ground(each))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) found.push(`${texts.currentNode.data.trim()}: ${contrast.toFixed(2)}`);
  }
  return found;
}
"""
_SMALL = """
() => [...document.querySelectorAll("button, main input:not([type=checkbox]), label.check")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 44)
  .map((each) => each.outerHTML.slice(0, 80))
"""
_TOO_WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_everything_has_a_name_can_be_read_and_touched_and_fits(
    browser: Browser, shop: Shop, ann: Buyer, scheme: Any, width: int
) -> None:
    await shop.device("W" * 60, ann, label="L" * 200)
    await shop.device("meter-8", await shop.buyer("bob"))
    async with visit(browser, shop.host, color_scheme=scheme, viewport={"width": width, "height": 700}) as visitor:
        page = visitor.page

        async def judge() -> None:
            assert await page.evaluate(_NAMELESS) == []
            assert await page.evaluate(_UNREADABLE) == []
            assert await page.evaluate(_SMALL) == []
            assert await page.evaluate(_TOO_WIDE) is False

        await visitor.open(f"{shop.page}#activate=abc")
        await visitor.is_at("activation")
        await judge()
        await visitor.open(shop.link("meter-8"))
        await page.get_by_role("button", name="Create an account").click()
        await visitor.view("sign-up").get_by_role("button", name="Create account and claim").click()
        await judge()
        await page.get_by_role("button", name="Log in").click()
        await judge()
        await visitor.log_in(ann)
        await visitor.view("claim").get_by_role("button", name="Claim device").click()
        await visitor.is_told("claim", "belongs to somebody else")
        await judge()
        await page.get_by_role("button", name="My devices").click()
        await expect(visitor.view("devices").get_by_role("listitem")).to_have_count(1)
        await judge()
        for name in ("Rename", "Release", "Hand over"):
            await page.get_by_role("button", name=f"{name}: L").click()
            await judge()
            await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Hand over: L").click()
        await page.get_by_role("button", name="Make a code").click()
        await expect(page.get_by_text("It is shown only once.")).to_be_visible()
        await judge()


async def test_the_language_and_the_colours_are_the_configured_ones(tmp_path: Path, browser: Browser) -> None:
    settings = {"language": "de", "title": "Gerät anmelden", "accent": "#8b0000", "show_secret": False}
    async with (
        open_shop(tmp_path, claim_page=settings) as shop,
        visit(browser, shop.host) as visitor,
    ):
        ann = await shop.buyer("ann")
        device = await shop.device("meter-7")
        await shop.services.claim_windows.open_by_administrator(device, actor="test")
        await visitor.open(shop.link("meter-7"))
        await expect(visitor.page.locator("html")).to_have_attribute("lang", "de")
        await expect(visitor.page).to_have_title("Log in – Gerät anmelden")
        button = visitor.view("log-in").get_by_role("button", name="Log in")
        await expect(button).to_have_css("background-color", "rgb(139, 0, 0)")

        await visitor.log_in(ann)

        await visitor.is_at("claim")
        await expect(visitor.view("claim").get_by_label("Secret key")).to_be_hidden()
