"""No claim secret is in the database, in a log at DEBUG, or in what plugins and the audit log are told."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from tests.harness import WAIT_S, TestServer, running
from tests.integration.claiming.claim_load import FAR_MS
from tests.integration.claiming.shop import BUYERS_ORIGIN, DEVICES_ORIGIN, Shop
from tests.integration.faults.load import database_in
from tests.integration.storage.test_writers import dumped

from firstboot.errors import ClaimRefused, InvalidValue
from firstboot.events import Claim, ClaimWindowOpened
from firstboot.hookspecs import hookimpl
from firstboot.model import Device, Scope, User
from firstboot.secret import Secret

BY_DEVICE, BY_ADMINISTRATOR = "zq-device-secret-1", "zq-administrators-secret-2"
GUESSED, UNREADABLE, WITH_ACCOUNT = "zq-guessed-secret-3", "zq-unreadable-secret-4", "zq-sign-up-secret-5"
OVER_HTTP, REPLACED, CHOSEN = "zq-over-http-secret-6", "zq-replaced-secret-7", "zq-chosen-secret-8"
SECRETS = (
    BY_DEVICE, BY_ADMINISTRATOR, GUESSED, UNREADABLE, WITH_ACCOUNT, OVER_HTTP, REPLACED, CHOSEN,
)  # fmt: skip


class Talkative:
    """A plugin that logs all that it is told."""

    FIRSTBOOT_API = 1

    def __init__(self) -> None:
        self.last_was_told = asyncio.Event()

    @hookimpl
    async def firstboot_device_claiming(self, claim: Claim) -> None:
        logging.getLogger("talkative").debug("%r", claim)

    @hookimpl
    async def firstboot_device_releasing(self, claim: Claim) -> None:
        logging.getLogger("talkative").debug("%r", claim)

    @hookimpl
    async def firstboot_claim_window_opened(self, event: ClaimWindowOpened) -> None:
        logging.getLogger("talkative").debug("%r", event)

    @hookimpl
    async def firstboot_device_claimed(self, event: Claim) -> None:
        logging.getLogger("talkative").debug("%r", event)
        if event.how == "signed-up":
            self.last_was_told.set()

    @hookimpl
    async def firstboot_device_released(self, event: Claim) -> None:
        logging.getLogger("talkative").debug("%r", event)


async def refused(shop: Shop, user: User, device: Device, secret: str) -> None:
    assert await shop.claim(user, device, secret) not in ("yours", "locked")


async def everything(server: TestServer) -> set[str]:
    """Do all that a claim secret meets; return the secrets that were made meanwhile."""
    shop = Shop(server, None, await server.profile(release_by_device=True))  # type: ignore[arg-type]
    services = server.services
    one, two = await shop.buyer("one"), await shop.buyer("two")
    device, other, third = await shop.device("d"), await shop.device("other"), await shop.device("third")
    origin, far = DEVICES_ORIGIN, FAR_MS

    await services.claim_windows.open_by_device(device.ref, Secret(REPLACED), None, origin)
    await services.claim_windows.open_by_device(device.ref, Secret(BY_DEVICE), None, origin)
    await refused(shop, one, device, GUESSED)
    await shop.claim(one, device, BY_DEVICE)
    await shop.administrator_opens(device, BY_ADMINISTRATOR, far)
    await refused(shop, two, device, BY_ADMINISTRATOR)
    await services.claim_windows.open_by_device(device.ref, Secret(BY_DEVICE), None, origin)
    offered = await services.releasing.offer(one, await shop.again(device), BUYERS_ORIGIN)
    await shop.claim(two, device, offered.secret.reveal())

    opened = await services.claim_windows.open_by_administrator(other, actor="test")
    await services.claim_windows.open_by_administrator(third, secret=Secret(CHOSEN), actor="test")
    for value in (
        {"secretKey": UNREADABLE, "more": 1},
        UNREADABLE,
        [UNREADABLE],
        f'{{"secretKey":"{UNREADABLE}"',
        {"secretKey": {"a": UNREADABLE}},
        {"secretKey": UNREADABLE, "expirationTime": UNREADABLE},
    ):
        await services.attributes.save(other.ref, Scope.SERVER, {"claimingData": value}, actor="test")
    await refused(shop, one, other, UNREADABLE)
    with suppress(InvalidValue):
        await services.claim_windows.open_by_device(other.ref, Secret(GUESSED * 99), None, origin)
    with suppress(ClaimRefused):
        await services.signing_up.sign_up(
            "default", "new@example.org", Secret("a right password"), "third", Secret(GUESSED), BUYERS_ORIGIN
        )
    await services.claim_windows.open_by_device(third.ref, Secret(WITH_ACCOUNT), None, origin)
    await services.signing_up.sign_up(
        "default", "new@example.org", Secret("a right password"), "third", Secret(WITH_ACCOUNT), BUYERS_ORIGIN
    )
    await over_http(server, other)
    return {offered.secret.reveal(), opened.secret.reveal()}


async def over_http(server: TestServer, device: Device) -> None:
    token = (await server.services.devices.credentials(device)).value
    async with httpx2.AsyncClient(base_url=server.url) as client:
        for content in (f'{{"secretKey":"{OVER_HTTP}"}}', f'{{"secretKey":"{OVER_HTTP}"', f'["{OVER_HTTP}"]'):
            await client.post(f"/api/v1/{token}/claim", content=content)
        await client.post("/api/customer/device/d/claim", json={"secretKey": OVER_HTTP})


async def test_se_1_no_dump_no_log_and_no_audit_row_has_a_claim_secret(
    tmp_path: Path, database: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    talkative = Talkative()
    async with running(
        tmp_path,
        database=database,
        plugins={"talkative": talkative},
        claiming={"sign_up": ("default",), "failures": 1000},
    ) as server:
        made = await everything(server)
        await asyncio.wait_for(talkative.last_was_told.wait(), WAIT_S)
        audit = repr(await server.audit())

    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    dump = b"".join(dumped(database_in(tmp_path, database)))
    assert b"claimingData" in dump
    assert "ClaimWindowOpened(" in logged
    for secret in (*SECRETS, *made):
        assert secret not in logged
        assert secret not in audit
        assert secret.encode() not in dump
        assert secret.encode().hex().encode() not in dump
