"""CN-2: what other sites, other pages and stolen cookies can do with somebody's browser session: nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser
from tests.integration.claim_page.neighbour import neighbour
from tests.integration.claim_page.shop import PASSWORD, SECRET, Buyer, Shop, open_shop
from tests.integration.claim_page.visitor import chromium, visit

from firstboot.model import Device
from firstboot.secret import Secret
from firstboot_plugins.admin.browser_sessions import COOKIE, PLAIN_COOKIE
from firstboot_plugins.admin.registry import operations

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = {"sec-fetch-site": "same-origin"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def ann(shop: Shop) -> Buyer:
    return await shop.buyer("ann")


@pytest_asyncio.fixture(loop_scope="module")
async def device(shop: Shop, ann: Buyer) -> Device:
    return await shop.device("meter-7", ann)


@pytest_asyncio.fixture(loop_scope="module")
async def client(shop: Shop) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser without its rules: it sends what it is told to."""
    async with httpx2.AsyncClient(base_url=shop.server.url) as opened:
        yield opened


async def logged_in(client: httpx2.AsyncClient, buyer: Buyer) -> str:
    """Log in as the page does; return the token that proves which page asks."""
    answer = await client.post("/claim/session", json={"email": buyer.email, "password": PASSWORD}, headers=OURS)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["csrf"]
    return token


def release(device: Device) -> str:
    return f"/api/firstboot/my/devices/{device.public_id}/release"


async def test_cn_2_a_call_of_the_page_itself_works(
    client: httpx2.AsyncClient, shop: Shop, ann: Buyer, device: Device
) -> None:
    token = await logged_in(client, ann)

    answer = await client.post(release(device), headers={**OURS, "x-csrf-token": token})

    assert answer.status_code == 204
    assert await shop.owner_of("meter-7") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "SAME-ORIGIN"},
        {"sec-fetch-site": ""},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
        {},
    ],
)
async def test_cn_2_a_request_that_is_not_our_pages_changes_nothing_even_with_the_token(
    client: httpx2.AsyncClient, shop: Shop, ann: Buyer, device: Device, headers: dict[str, str]
) -> None:
    token = await logged_in(client, ann)

    answer = await client.post(release(device), headers={**headers, "x-csrf-token": token})

    assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")
    assert await shop.owner_of("meter-7") == ann.customer.id


async def test_cn_2_a_browser_that_tells_only_the_origin_is_believed(
    client: httpx2.AsyncClient, shop: Shop, ann: Buyer, device: Device
) -> None:
    token = await logged_in(client, ann)

    answer = await client.post(release(device), headers={"origin": shop.server.url, "x-csrf-token": token})

    assert answer.status_code == 204


async def test_cn_2_without_the_sessions_own_token_nothing_changes(
    client: httpx2.AsyncClient, shop: Shop, ann: Buyer, device: Device
) -> None:
    async with httpx2.AsyncClient(base_url=shop.server.url) as others:
        foreign = await logged_in(others, await shop.buyer("bob"))
    earlier = await logged_in(client, ann)
    token = await logged_in(client, ann)
    assert len({foreign, earlier, token}) == 3

    for wrong in (None, "", foreign, earlier, token[:-1], token.upper(), f"{token} {token}"):
        headers = OURS if wrong is None else {**OURS, "x-csrf-token": wrong}
        answer = await client.post(release(device), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")

    assert await shop.owner_of("meter-7") == ann.customer.id


async def test_cn_2_another_sites_page_reads_nothing(client: httpx2.AsyncClient, ann: Buyer) -> None:
    await logged_in(client, ann)

    for path in ("/claim/session", "/api/firstboot/my/devices"):
        assert (await client.get(path, headers=OURS)).status_code == 200
        for site in ("cross-site", "same-site"):
            answer = await client.get(path, headers={"sec-fetch-site": site})
            assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")
            assert "access-control-allow-origin" not in answer.headers


async def test_cn_2_no_other_page_logs_somebody_in_under_another_name(
    client: httpx2.AsyncClient, ann: Buyer
) -> None:
    sent = {"email": ann.email, "password": PASSWORD}

    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {}):
        answer = await client.post("/claim/session", json=sent, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")
        assert "set-cookie" not in answer.headers
    # What a form of another page can send without asking first:
    as_form = await client.post("/claim/session", content=b'{"email":"a","password":"b"}', headers={
        **OURS, "content-type": "text/plain",
    })  # fmt: skip
    assert as_form.status_code == 415


async def test_cn_2_the_cookie_opens_only_what_is_made_for_browsers(
    client: httpx2.AsyncClient, shop: Shop, ann: Buyer, device: Device
) -> None:
    token = await logged_in(client, ann)
    headers = {**OURS, "x-csrf-token": token}
    values = {
        "deviceName": "meter-7",
        "deviceId": device.public_id,
        "customerId": ann.customer.public_id,
        "userId": ann.user.public_id,
    }
    opened = set()

    for each in operations():
        path = each.route_path.format_map(_Anything(values))
        if each.access is None or path == release(device):
            continue
        answer = await client.request(each.method, path, headers=headers)
        if answer.status_code != 401:
            opened.add(each.id)

    assert opened == {each.id for each in operations() if each.browser} - {f"post-{_RELEASE}"}
    assert all(each.path.startswith("/api/firstboot/") for each in operations() if each.browser)


_RELEASE = "api-firstboot-my-devices-by-deviceId-release"


class _Anything(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("header", ["authorization", "x-authorization"])
@pytest.mark.parametrize("value", ["Bearer nonsense", "Basic YTpi", "", "Bearer"])
async def test_cn_2_who_brings_a_token_is_judged_by_it_alone(
    client: httpx2.AsyncClient, ann: Buyer, header: str, value: str
) -> None:
    await logged_in(client, ann)

    answer = await client.get("/api/firstboot/my/devices", headers={**OURS, header: value})

    assert answer.status_code == 401


async def test_cn_2_a_program_needs_no_cookie_and_no_proof_of_a_page(
    shop: Shop, client: httpx2.AsyncClient, ann: Buyer, device: Device
) -> None:
    pair = await shop.services.authentication.log_in(ann.email, Secret(PASSWORD), "127.0.0.1")
    bearer = {"authorization": f"Bearer {pair.token.reveal()}", "sec-fetch-site": "cross-site"}

    assert (await client.post(release(device), headers=bearer)).status_code == 204


async def test_cn_2_what_is_no_session_is_no_cookie(client: httpx2.AsyncClient, shop: Shop, ann: Buyer) -> None:
    _, api_token = await shop.services.api_tokens.create(1, "program", ["devices:read"], actor="test")
    pair = await shop.services.authentication.log_in(ann.email, Secret(PASSWORD), "127.0.0.1")

    for wrong in (api_token.reveal(), pair.refresh_token.reveal(), "x", "a.b.c", "9" * 9000):
        cookie = {"cookie": f"{PLAIN_COOKIE}={wrong}", **OURS}
        assert (await client.get("/claim/session", headers=cookie)).status_code in (401, 431)


async def test_cn_2_a_session_that_was_ended_stays_ended_for_whoever_has_kept_the_cookie(
    client: httpx2.AsyncClient, shop: Shop, ann: Buyer
) -> None:
    token = await logged_in(client, ann)
    kept = {"cookie": f"{PLAIN_COOKIE}={client.cookies[PLAIN_COOKIE]}", **OURS, "x-csrf-token": token}

    out = await client.delete("/claim/session", headers={**OURS, "x-csrf-token": token})

    assert out.status_code == 204
    assert f"{PLAIN_COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0" == out.headers["set-cookie"]
    assert (await client.get("/api/firstboot/my/devices", headers=kept)).status_code == 401
    assert (await client.post("/api/firstboot/claims", json={"deviceName": "x"}, headers=kept)).status_code == 401


async def test_cn_2_behind_tls_the_cookie_is_one_that_no_neighbour_can_set(tmp_path: Path) -> None:
    """The name's prefix keeps other hosts, and pages without encryption, from setting it."""
    url = "https://iot.example.com"
    async with (
        open_shop(tmp_path, http={"public_url": url}) as shop,
        httpx2.AsyncClient(base_url=shop.server.url) as client,
    ):
        ann = await shop.buyer("ann")
        sent = {"email": ann.email, "password": PASSWORD}
        answer = await client.post("/claim/session", json=sent, headers={"origin": url})
        name, _, value = answer.headers["set-cookie"].partition("=")
        value, *attributes = value.split("; ")

        assert (name, sorted(attributes)) == (COOKIE, ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"])
        right = await client.get("/claim/session", headers={"cookie": f"{COOKIE}={value}"})
        planted = await client.get("/claim/session", headers={"cookie": f"{PLAIN_COOKIE}={value}"})
        assert (right.status_code, planted.status_code) == (200, 401)
        # A page without encryption of the same host is not this page.
        weak = await client.post("/claim/session", json=sent, headers={"origin": "http://iot.example.com"})
        assert weak.status_code == 403


async def test_ht_10_no_address_changes_anything_by_being_opened(
    client: httpx2.AsyncClient, shop: Shop, ann: Buyer
) -> None:
    await shop.on_the_shelf("meter-9")
    await logged_in(client, ann)
    before = len(await shop.server.audit())

    for path in (
        f"/claim?name=meter-9&secret={SECRET}",
        f"/claim/session?name=meter-9&secret={SECRET}",
        f"/api/firstboot/claims?deviceName=meter-9&secretKey={SECRET}",
        f"/api/customer/device/meter-9/claim?secretKey={SECRET}",
    ):
        await client.get(path, headers=OURS)
        await client.head(path, headers=OURS)

    assert await shop.owner_of("meter-9") is None
    assert len(await shop.server.audit()) == before


# -- a real browser, on a page of somebody else -----------------------------------------------------


_ATTACK = """<!doctype html><title>Evil</title>
<img src="{claim}/session"><img src="{api}/my/devices">
<form id="form" method="post" enctype="text/plain" action="{release}" target="hole">
<input name='{{"a":"' value='"}}'>
</form><iframe name="hole"></iframe>
<script>
const tries = [
  fetch("{release}", {{method: "POST", mode: "no-cors", credentials: "include"}}),
  fetch("{release}", {{method: "POST", credentials: "include", headers: {{"X-CSRF-Token": "0"}}}}),
  fetch("{claim}/session", {{credentials: "include"}}).then((r) => r.json()),
  fetch("{api}/claims", {{method: "POST", mode: "no-cors", credentials: "include",
    body: JSON.stringify({{deviceName: "meter-9", secretKey: "{secret}"}})}}),
  fetch("{claim}/session", {{method: "DELETE", credentials: "include"}}),
];
document.getElementById("form").submit();
Promise.allSettled(tries).then((all) => {{
  document.title = all.map((each) => each.value?.csrf ? "read" : each.status).join(" ");
}});
</script>"""


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_cn_2_a_page_of_somebody_else_changes_and_reads_nothing_with_the_visitors_cookie(
    browser: Browser, shop: Shop, ann: Buyer, device: Device, host: str
) -> None:
    """``localhost`` is another site, ``127.0.0.1`` the same one with another port: there the cookie is sent."""
    await shop.on_the_shelf("meter-9")
    api, claim = f"{shop.server.url}/api/firstboot", f"{shop.server.url}/claim"
    attack = _ATTACK.format(api=api, claim=claim, release=f"{shop.server.url}{release(device)}", secret=SECRET)
    async with neighbour(attack, host) as origin, visit(browser, shop.host) as visitor:
        await visitor.open(shop.page)
        await visitor.log_in(ann)
        await visitor.is_at("devices")

        async with visitor.page.expect_response(lambda answer: answer.request.resource_type == "document" and
                                                answer.url.endswith("/release")):  # fmt: skip
            await visitor.page.goto(origin)
        await visitor.page.wait_for_function("document.title.includes('ed')")

        assert "read" not in await visitor.page.title()
        assert await shop.owner_of("meter-7") == ann.customer.id
        assert await shop.owner_of("meter-9") is None
        visitor.bad, visitor.requests = [], []
        await visitor.open(shop.page)
        await visitor.is_at("devices")
