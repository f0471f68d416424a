"""Logging in and out, signing up and choosing a password on the claim page."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Browser, expect
from tests.integration.claim_page.shop import PASSWORD, SECRET, TENANT_ID, Buyer, Shop, open_shop
from tests.integration.claim_page.visitor import Visitor, visit

from firstboot.model import Authority
from firstboot.secret import Secret
from firstboot_plugins.admin.browser_sessions import PLAIN_COOKIE
from firstboot_plugins.admin.public_url import activation_link

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_wrong_password_is_told_and_the_right_one_works_then(
    visitor: Visitor, shop: Shop, ann: Buyer
) -> None:
    await visitor.open(shop.page)
    await visitor.log_in(ann, "a wrong password")
    await visitor.is_told("log-in", "The e-mail address or the password is wrong.")

    await visitor.log_in(ann)

    await visitor.is_at("devices")
    await expect(visitor.page.get_by_role("contentinfo")).to_contain_text("Logged in as ann@example.com")


async def test_lg_2_too_many_wrong_passwords_are_told_with_the_time_to_wait(
    visitor: Visitor, shop: Shop, ann: Buyer
) -> None:
    await visitor.open(shop.page)
    for _ in range(5):
        await visitor.log_in(ann, "a wrong password")
        await visitor.is_told("log-in", "is wrong.")

    await visitor.log_in(ann)

    await visitor.is_told("log-in", "Too many wrong passwords. Please try again at ")


async def test_who_is_no_customer_gets_no_session_and_is_told(visitor: Visitor, shop: Shop) -> None:
    await shop.user("boss@example.com", None, Secret(PASSWORD))
    await visitor.open(shop.page)

    await visitor.log_in("boss@example.com")

    await visitor.is_told("log-in", "This account belongs to nobody who could own a device.")
    assert await visitor.context.cookies() == []


async def test_a_session_is_still_there_when_the_page_is_opened_again(
    at_claim: Visitor, shop: Shop, ann: Buyer
) -> None:
    await shop.device("meter-7", ann)

    await at_claim.open(shop.page)

    await at_claim.is_at("devices")
    await expect(at_claim.view("devices").get_by_role("listitem")).to_contain_text("meter-7")


async def test_cn_2_logging_out_ends_the_session_in_the_database_and_empties_the_page(
    at_claim: Visitor, shop: Shop, ann: Buyer
) -> None:
    await shop.device("meter-7", ann)
    await at_claim.open(shop.link("meter-8"))
    (cookie,) = await at_claim.context.cookies()

    await at_claim.page.get_by_role("button", name="Log out").click()

    await at_claim.is_told("log-in", "You are logged out.")
    assert await at_claim.context.cookies() == []
    content = await at_claim.page.evaluate(
        "document.body.innerText + [...document.forms].map((f) => [...new FormData(f)])"
    )
    assert not any(word in content for word in ("meter-7", "meter-8", SECRET, "ann@example.com"))
    async with httpx2.AsyncClient(cookies={cookie["name"]: cookie["value"]}) as thief:
        assert (await thief.get(f"{shop.server.url}/claim/session")).status_code == 401
    assert "user-logged-out" in [row.entry.event for row in await shop.server.audit()]


async def test_cn_4_the_session_is_out_of_reach_of_scripts_and_of_other_sites(at_claim: Visitor) -> None:
    (cookie,) = await at_claim.context.cookies()

    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (PLAIN_COOKIE, True, "Strict")
    assert (cookie["path"], cookie["expires"]) == ("/", -1)
    assert await at_claim.page.evaluate("document.cookie") == ""


# -- signing up --------------------------------------------------------------------------------------


async def sign_up(visitor: Visitor, email: str, password: str = PASSWORD) -> None:
    await visitor.page.get_by_role("button", name="Create an account").click()
    await visitor.is_at("sign-up")
    await visitor.view("sign-up").get_by_label("E-mail address").fill(email)
    await visitor.view("sign-up").get_by_label("Password", exact=True).fill(password)
    await visitor.view("sign-up").get_by_role("button", name="Create account and claim").click()


async def test_somebody_signs_up_with_the_device_of_a_link(visitor: Visitor, shop: Shop) -> None:
    await shop.on_the_shelf("meter-7")
    await visitor.open(shop.link("meter-7"))

    await sign_up(visitor, "new@example.com")

    await visitor.is_at("claimed")
    user = await shop.services.users.by_email("new@example.com")
    assert user.authority is Authority.CUSTOMER_USER
    assert await shop.owner_of("meter-7") == user.customer_id
    await visitor.open(shop.page)
    await expect(visitor.view("devices").get_by_role("listitem")).to_contain_text("meter-7")


async def test_who_signs_up_with_a_wrong_secret_gets_nothing(visitor: Visitor, shop: Shop) -> None:
    await shop.on_the_shelf("meter-7")
    await visitor.open(shop.link("meter-7", "WRONG"))

    await sign_up(visitor, "new@example.com")

    await visitor.is_told("sign-up", "The secret is not right.")
    assert await shop.services.storage.user_by_email("new@example.com") is None
    assert await visitor.context.cookies() == []


async def test_who_has_an_account_already_is_told(visitor: Visitor, shop: Shop, ann: Buyer) -> None:
    await shop.on_the_shelf("meter-7")
    await visitor.open(shop.link("meter-7"))

    await sign_up(visitor, ann.email)

    await visitor.is_told("sign-up", "There is an account with this e-mail address already.")
    assert await shop.owner_of("meter-7") is None


async def test_what_is_no_address_or_no_password_is_told(visitor: Visitor, shop: Shop) -> None:
    await shop.on_the_shelf("meter-7")
    await visitor.open(shop.link("meter-7"))
    await sign_up(visitor, "nobody", "short")
    password = visitor.view("sign-up").get_by_label("Password", exact=True)
    await expect(password).to_have_accessible_description(
        "The password needs at least 6 characters. 6 to 72 characters"
    )
    assert visitor.sent("/claim/sign-up") == 0

    await password.fill(PASSWORD)
    await visitor.view("sign-up").get_by_role("button", name="Create account and claim").click()

    await visitor.is_told("sign-up", "This is no e-mail address.")


@pytest.mark.parametrize(
    ("tenants", "link", "offered"),
    [
        ([], {}, False),
        ([], {"tenant": "default"}, False),
        (["default"], {}, True),
        (["default", "acme"], {}, False),
        (["default", "acme"], {"tenant": "default"}, True),
    ],
)
async def test_an_account_can_be_made_only_where_it_is_clear_with_whom(
    tmp_path: Path, browser: Browser, tenants: list[str], link: dict[str, str], offered: bool
) -> None:
    async with (
        open_shop(tmp_path, claiming={"sign_up": tenants}) as shop,
        visit(browser, shop.host) as visitor,
    ):
        await visitor.open(shop.link("meter-7", SECRET, **link))

        await visitor.is_at("log-in")
        await expect(visitor.page.get_by_text("New here?")).to_be_visible(visible=offered)
        assert "acme" not in await visitor.page.content()


async def test_a_link_to_a_tenant_that_wants_nobody_new_is_refused(visitor: Visitor, shop: Shop) -> None:
    await visitor.open(shop.link("meter-7", SECRET, tenant="elsewhere"))

    await sign_up(visitor, "new@example.com")

    await visitor.is_told("sign-up", "You cannot create an account here.")


# -- invitations -------------------------------------------------------------------------------------


async def invitation(shop: Shop, email: str, *, customer: bool = True) -> str:
    """Invite somebody; return the link."""
    owner = await shop.services.customers.create(TENANT_ID, "Guests", actor="test") if customer else None
    user = await shop.user(email, owner, None)
    link = activation_link(shop.services, await shop.services.users.activation_token(user, actor="test"))
    return link.replace("localhost", "127.0.0.1")


async def test_who_is_invited_chooses_a_password_and_is_logged_in(visitor: Visitor, shop: Shop) -> None:
    await visitor.open(await invitation(shop, "guest@example.com"))
    await visitor.is_at("activation")
    assert visitor.page.url == shop.page

    await visitor.view("activation").get_by_label("New password").fill(PASSWORD)
    await visitor.view("activation").get_by_role("button", name="Save password").click()

    await visitor.is_at("claim")
    await expect(visitor.page.get_by_role("contentinfo")).to_contain_text("guest@example.com")
    await visitor.page.get_by_role("button", name="Log out").click()
    await visitor.log_in("guest@example.com")
    await visitor.is_at("devices")


async def test_opening_an_invitation_uses_nothing_of_it_and_a_used_one_is_told(
    visitor: Visitor, shop: Shop
) -> None:
    link = await invitation(shop, "guest@example.com")
    await visitor.open(link)
    await visitor.open(link)
    await visitor.view("activation").get_by_label("New password").fill(PASSWORD)
    await visitor.view("activation").get_by_role("button", name="Save password").click()
    await visitor.is_at("claim")

    await visitor.open(link)
    await visitor.view("activation").get_by_label("New password").fill("another password")
    await visitor.view("activation").get_by_role("button", name="Save password").click()

    await visitor.is_told("activation", "This link is no longer good.")


async def test_who_follows_a_used_invitation_logged_out_finds_the_way_to_log_in(
    visitor: Visitor, shop: Shop
) -> None:
    link = await invitation(shop, "guest@example.com")
    await visitor.open(link)
    await visitor.view("activation").get_by_label("New password").fill(PASSWORD)
    await visitor.view("activation").get_by_role("button", name="Save password").click()
    await visitor.is_at("claim")
    await visitor.page.get_by_role("button", name="Log out").click()
    await visitor.is_at("log-in")

    await visitor.open(link)
    await visitor.view("activation").get_by_role("button", name="Log in").click()

    await visitor.is_at("log-in")


async def test_an_administrator_who_is_invited_has_a_password_then_and_no_session_here(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.open(await invitation(shop, "boss@example.com", customer=False))

    await visitor.view("activation").get_by_label("New password").fill(PASSWORD)
    await visitor.view("activation").get_by_role("button", name="Save password").click()

    await visitor.is_told("log-in", "Your password is saved.")
    assert await visitor.context.cookies() == []
    await shop.services.authentication.log_in("boss@example.com", Secret(PASSWORD), "127.0.0.1")


async def test_a_link_that_is_no_invitation_leads_nowhere_else(shop: Shop) -> None:
    evil = 'https://evil.example/%0d%0aset-cookie:a=b#x"><script>'
    async with httpx2.AsyncClient(headers={"accept": "text/html"}) as browser:
        answer = await browser.get(f"{shop.server.url}/api/noauth/activate", params={"activateToken": evil})

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("../../claim#activate=https%3A%2F%2Fevil.example")
    assert not set('\r\n"<> ') & set(answer.headers["location"])
    assert "set-cookie" not in answer.headers


async def test_without_the_page_an_activation_link_says_what_to_do(tmp_path: Path) -> None:
    async with (
        open_shop(tmp_path, plugin_settings={"disable": ["claim-page"]}) as shop,
        httpx2.AsyncClient(headers={"accept": "text/html"}) as browser,
    ):
        answer = await browser.get(f"{shop.server.url}/api/noauth/activate?activateToken=abc")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert (await browser.get(shop.page)).status_code == 404
