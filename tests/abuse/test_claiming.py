"""CM-1 to CM-11, LG-3, LG-8, OP-18: taking devices of others, locking buyers out, guessing, flooding, listing."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import running
from tests.integration.admin.own.customers import PASSWORD, SECRET, SIGN_UP, counted, for_sale, problem, sign_up
from tests.integration.admin.thingsboard.buyers import (
    FAR_MS, DATA, buyer, claim, found, give_back, link, on_the_shelf, opened_by_device, owner, server_attributes,
)
from tests.integration.admin.thingsboard.rest import Rest, administered
from tests.integration.admin.world import House, World, world_of
from tests.integration.thingsboard_device.board import Board

from firstboot.hookspecs import Refuse, hookimpl
from firstboot.events import Claim


class Refuser:
    FIRSTBOOT_API = 1

    @hookimpl
    def firstboot_device_claiming(self, claim: Claim) -> Refuse:
        return Refuse("not-here", "not in this country")


@pytest.mark.parametrize("kind", ["my"])
async def test_lg_3_whoever_has_one_device_does_not_list_accounts_with_it(tmp_path: Path, kind: str) -> None:
    async with world_of(tmp_path, claiming={"sign_up": ["default"]}) as world:
        house = await world.house("aardvark", "default")
        await for_sale(world, house, "d1")
        told = [problem(await sign_up(world, "d1", email=house.user.email)) for _ in range(5)]
        again = await sign_up(world, "d1", email=house.user.email)

    assert told == [(409, "already-exists")] * 5
    assert problem(again) == (429, "locked")


async def test_op_18_refusals_of_a_plugin_fill_no_audit_log(tmp_path: Path) -> None:
    async with administered(tmp_path, plugins={"refuser": Refuser()}) as admin:
        ada = await buyer(admin, "ada")
        await on_the_shelf(admin, "d1")
        before = len(await admin.server.audit())
        answers = Counter([(await claim(ada, "d1", "s3cret"))[0] for _ in range(100)])
        after = len(await admin.server.audit())

    assert answers == {400: 100}
    assert after - before <= 31


async def test_lg_8_a_customer_renames_no_device(tmp_path: Path) -> None:
    """The name is on the label, with which the next owner claims it; and other names are of other devices."""
    async with administered(tmp_path) as admin:
        ada = await buyer(admin, "ada")
        device_id = await on_the_shelf(admin, "d1")
        await claim(ada, "d1", "s3cret")
        device = await ada.call("GET", f"/api/device/{device_id}")
        saved = await ada.call("POST", "/api/device", {**device, "name": "d2"})
    assert saved["name"] == "d1"


# doors of claimingData
BOMBS: list[Any] = [
    "{\"secretKey\":\"T0PSECRET", "[" * 5000, "{\"a\":" * 5000, {"secretKey": {"a": "T0PSECRET"}, "expirationTime": 1},
    {"secretKey": "T0PSECRET" * 100, "expirationTime": FAR_MS}, {"secretKey": "T0PSECRET", "expirationTime": "9" * 5000},
    {"secretKey": "T0PSECRET", "expirationTime": 1e308}, {"secretKey": "T0PSECRET", "expirationTime": -1e308},
    {"secretKey": "T0PSECRET", "expirationTime": "inf"}, {"secretKey": "T0PSECRET", "expirationTime": [1]},
    {"secretKey": "T0PSECRET", "expirationTime": FAR_MS, "more": "T0PSECRET"}, ["T0PSECRET"], 1, True, "T0PSECRET", "1e999999999",
    {"secretKey": "***", "expirationTime": FAR_MS}, "{\"secretKey\":\"T0PSECRET\",\"secretKey\":\"x\",\"expirationTime\":4000000000000}",
]


@pytest.mark.parametrize("number", range(len(BOMBS)))
async def test_cm_4_bombs(tmp_path: Path, number: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with administered(tmp_path) as admin:
        eve = await buyer(admin, "eve")
        device_id = await on_the_shelf(admin, "d1", None)
        answer = await admin.send("POST", f"{DATA}/{device_id}/SERVER_SCOPE", {"claimingData": BOMBS[number]})
        assert answer.status_code in (200, 400), answer.text
        assert "T0PSECRET" not in answer.text
        shown = json.dumps(await server_attributes(admin, device_id))
        assert "T0PSECRET" not in shown, shown
        for secret in ("", "***", "x", "None"):
            status, told = await claim(eve, "d1", secret)
            assert (status, told) in ((400, "FAILURE"),), (secret, status, told)
        assert "T0PSECRET" not in repr(await admin.server.audit())
    assert "T0PSECRET" not in caplog.text
