"""Claiming over Firstboot's own call, which says why it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.admin.own.customers import (
    CLAIMS,
    SECRET,
    a_device,
    claimed,
    for_sale,
    problem,
    read_again,
)
from tests.integration.admin.world import House, World, world_of
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.events import Claim
from firstboot.hookspecs import Refuse, hookimpl
from firstboot.model import Origin
from firstboot.secret import Secret


async def test_the_device_comes_back_as_its_owner_sees_it(
    world: World, house: House, ada: httpx2.AsyncClient
) -> None:
    device = await for_sale(world, house, "d1")

    answer = await claimed(ada, "d1")

    told = answer.json()["device"]
    assert answer.status_code == 200
    assert {key: told[key] for key in ("id", "name", "label", "profile", "connected")} == {
        "id": str(device.public_id),
        "name": "d1",
        "label": None,
        "profile": house.profile.name,
        "connected": False,
    }
    assert told["claimedAtMs"] >= device.created_at_ms
    assert (await read_again(world, device)).customer_id == house.customer.id


async def test_each_refusal_has_its_code_and_its_status(
    tmp_path: Path,
) -> None:
    now = FakeClock()
    async with world_of(tmp_path, clock=now.clock, claiming={"failures": 50}) as world:
        house = await world.house("aardvark")
        ada, bob = await world.person(house.user), await world.person(house.other_user)
        await a_device(world, house, "bare")
        await for_sale(world, house, "open")
        await for_sale(world, house, "bobs")
        await for_sale(world, house, "adas")
        await for_sale(world, house, "late", now.now_ms + 1000)
        now.advance(2)
        await claimed(bob, "bobs")
        await claimed(ada, "adas")

        told = {
            name: problem(await claimed(ada, device, secret))
            for name, device, secret in (
                ("no window", "bare", SECRET),
                ("wrong", "open", "another"),
                ("none", "open", None),
                ("late", "late", SECRET),
                ("late and wrong", "late", "another"),
                ("another's", "bobs", SECRET),
                ("one's own", "adas", SECRET),
                ("unknown", "no such device", SECRET),
            )
        }

    assert told == {
        "no window": (403, "not-open"),
        "wrong": (403, "wrong-secret"),
        "none": (403, "wrong-secret"),
        "late": (403, "expired"),
        "late and wrong": (403, "wrong-secret"),
        "another's": (409, "already-claimed"),
        "one's own": (409, "already-yours"),
        "unknown": (404, "unknown-device"),
    }


async def test_cm_1_who_is_locked_out_learns_for_how_long(
    world: World, house: House, ada: httpx2.AsyncClient
) -> None:
    await for_sale(world, house, "d1")
    for number in range(5):
        await claimed(ada, "d1", f"guess {number}")

    answer = await claimed(ada, "d1")

    assert problem(answer) == (429, "locked")
    assert str(answer.json()["retryAfterS"]) == answer.headers["retry-after"]
    assert 0 < answer.json()["retryAfterS"] <= 900


async def test_cm_1_both_calls_count_the_same_failures(
    world: World, house: House, ada: httpx2.AsyncClient
) -> None:
    await for_sale(world, house, "d1")
    for number in range(5):
        await ada.post("/api/customer/device/d1/claim", json={"secretKey": f"guess {number}"})

    assert problem(await claimed(ada, "d1")) == (429, "locked")


class Choosy:
    """A plugin that has a say in who owns what."""

    FIRSTBOOT_API = 1

    @hookimpl
    def firstboot_device_claiming(self, claim: Claim) -> Refuse | None:
        if claim.device.name == "broken":
            raise RuntimeError("Zebra")
        return Refuse("Zebra", code="reported-stolen") if claim.device.name == "stolen" else None

    @hookimpl
    async def firstboot_device_releasing(self, claim: Claim) -> Refuse | None:
        return Refuse("The rent is not paid.", code="rented")


async def test_a_plugin_s_word_is_the_code(tmp_path: Path) -> None:
    async with world_of(tmp_path, plugins={"choosy": Choosy()}) as world:
        house = await world.house("aardvark")
        ada = await world.person(house.user)
        for name in ("stolen", "broken", "good"):
            await for_sale(world, house, name)

        answers = [await claimed(ada, name) for name in ("stolen", "broken", "good")]
        theirs = await ada.post("/api/customer/device/stolen/claim", json={"secretKey": SECRET})

    assert problem(answers[0]) == (403, "reported-stolen")
    assert problem(answers[1]) == (403, "plugin-error")
    assert not [each for each in answers if "Zebra" in each.text]
    assert answers[2].status_code == 200
    assert (theirs.status_code, theirs.json()) == (400, "FAILURE")


async def test_a_plugin_keeps_a_device_with_its_owner(tmp_path: Path) -> None:
    async with world_of(tmp_path, plugins={"choosy": Choosy()}) as world:
        house = await world.house("aardvark")
        ada, admin = await world.person(house.user), await world.person(house.admin)

        ours = await ada.post(f"/api/firstboot/my/devices/{house.device.public_id}/release")
        theirs = [await each.delete(f"/api/customer/device/{house.device.name}/claim") for each in (ada, admin)]

        assert problem(ours) == (403, "rented")
        assert [(each.status_code, each.json()["errorCode"]) for each in theirs] == [(403, 20)] * 2
        assert (await read_again(world, house.device)).customer_id == house.customer.id


async def test_only_customers_claim(world: World, house: House, admin: httpx2.AsyncClient) -> None:
    await for_sale(world, house, "d1")
    program = await world.program(house, "devices:write")

    answers = [await claimed(person, "d1") for person in (world.nobody, admin, program, await world.sys_admin())]

    assert [problem(each)[0] for each in answers] == [401, 403, 403, 403]


async def test_what_is_no_claim_is_refused_and_counts_as_none(
    world: World, house: House, ada: httpx2.AsyncClient
) -> None:
    await for_sale(world, house, "d1")
    names: tuple[Any, ...] = (
        {},
        {"deviceName": ""},
        {"deviceName": 1},
        {"deviceName": "x" * 256},
        {"deviceName": "\0"},
    )
    secrets: tuple[Any, ...] = 1, "x" * 256, ["x"]

    for body in (*names, *({"deviceName": "d1", "secretKey": each} for each in secrets)):
        assert problem(await ada.post(CLAIMS, json=body))[0] == 400, body
    assert problem(await ada.post(CLAIMS, json={"deviceName": "d1", "customerId": "x"}))[0] == 400
    assert (await claimed(ada, "d1")).status_code == 200


async def test_cm_9_a_claim_is_never_a_get(world: World, house: House, ada: httpx2.AsyncClient) -> None:
    device = await for_sale(world, house, "d1")

    answer = await ada.get(CLAIMS, params={"deviceName": "d1", "secretKey": SECRET})

    assert answer.status_code == 405
    assert (await read_again(world, device)).customer_id is None


async def test_se_5_neither_secret_nor_guess_stands_anywhere(
    world: World, house: House, ada: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    await for_sale(world, house, "d1")

    texts = [(await claimed(ada, "d1", "Zebra")).text, (await claimed(ada, "d1")).text]

    texts += [str(row) for row in await world.server.audit()]
    texts += [*capfd.readouterr()]
    assert not [text for text in texts if "Zebra" in text or SECRET in text]


async def test_a_claimed_device_is_told_so(world: World, house: House, ada: httpx2.AsyncClient) -> None:
    device = await for_sale(world, house, "d1")
    await claimed(ada, "d1")
    shared = f"/api/v1/{'token of d1'.replace(' ', '%20')}/attributes?sharedKeys=claimed"

    owned = (await world.nobody.get(shared)).json()
    await ada.post(f"/api/firstboot/my/devices/{device.public_id}/release")
    free = (await world.nobody.get(shared)).json()

    assert (owned, free) == ({"shared": {"claimed": True}}, {"shared": {"claimed": False}})


async def test_a_window_of_the_device_itself_is_opened_with_its_secret(
    world: World, house: House, ada: httpx2.AsyncClient
) -> None:
    device = await a_device(world, house, "d1")
    origin = Origin(transport="mqtt", dialect="thingsboard", address="192.0.2.1")
    await world.services.claim_windows.open_by_device(device.ref, Secret("k"), None, origin)

    assert (await claimed(ada, "d1", "k")).status_code == 200
