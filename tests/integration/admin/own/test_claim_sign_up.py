"""People who make their own account while they claim their first device."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.admin.own.customers import (
    PASSWORD,
    SECRET,
    a_device,
    claimed,
    counted,
    for_sale,
    problem,
    read_again,
    sign_up,
)
from tests.integration.admin.world import House, World, world_of


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Run a server whose default tenant is open to everybody."""
    async with world_of(tmp_path, claiming={"sign_up": ["default"]}) as made:
        yield made


@pytest.fixture
async def house(world: World) -> House:
    return await world.house("aardvark", "default")


async def test_without_the_right_secret_nothing_is_made(world: World, house: House) -> None:
    await for_sale(world, house, "d1")
    await a_device(world, house, "bare")
    before = await counted(world, house)

    told = [
        problem(await sign_up(world, "d1", "another")),
        problem(await sign_up(world, "bare")),
        problem(await sign_up(world, "no such device")),
        problem(await sign_up(world, house.device.name)),
    ]

    assert told == [
        (403, "wrong-secret"),
        (403, "not-open"),
        (404, "unknown-device"),
        (409, "already-claimed"),
    ]
    assert await counted(world, house) == before
    assert [row for row in await world.server.audit() if row.entry.event == "user-created"][
        -1
    ].entry.actor == "test"


async def test_lg_3_an_address_that_is_taken_is_told_only_to_who_has_the_device(
    world: World, house: House
) -> None:
    device = await for_sale(world, house, "d1")
    before = await counted(world, house)

    without = await sign_up(world, "d1", "another", email=house.user.email)
    with_ = await sign_up(world, "d1", email=house.user.email)

    assert problem(without) == (403, "wrong-secret")
    assert problem(with_) == (409, "already-exists")
    assert await counted(world, house) == before
    assert (await read_again(world, device)).customer_id is None


async def test_only_named_tenants_are_open(world: World, house: House) -> None:
    other = await world.house("baboon")
    await for_sale(world, other, "theirs")

    closed = [
        await sign_up(world, "theirs", tenant=other.tenant.name),
        await sign_up(world, "theirs", tenant="no such tenant"),
    ]

    assert [problem(each) for each in closed] == [(403, "sign-up-closed")] * 2
    assert problem(await sign_up(world, "theirs")) == (404, "unknown-device")


async def test_where_nobody_may_sign_up_nobody_learns_anything(tmp_path: Path) -> None:
    async with world_of(tmp_path) as world:
        house = await world.house("aardvark", "default")
        await for_sale(world, house, "d1")

        told = {(await sign_up(world, name, secret)).text for name in ("d1", "d2") for secret in (SECRET, "x")}

    assert len(told) == 1
    assert "sign-up-closed" in told.pop()


async def test_of_two_tenants_one_has_to_be_named(tmp_path: Path) -> None:
    async with world_of(tmp_path, claiming={"sign_up": ["default", "aardvark-tenant"]}) as world:
        house = await world.house("aardvark")
        await for_sale(world, house, "d1")

        unnamed = problem(await sign_up(world, "d1"))
        named = await sign_up(world, "d1", tenant="aardvark-tenant")

    assert (unnamed, named.status_code) == ((400, "invalid-value"), 200)


NO_ACCOUNT: tuple[dict[str, Any], ...] = (
    {"email": "nobody"},
    {"email": "a@example.com\nb"},
    {"email": ""},
    {"password": "short"},
    {"password": "x" * 73},
    {"secretKey": 1},
    {"authority": "TENANT_ADMIN"},
    {"customerId": "x"},
)


async def test_lg_8_what_makes_no_account_is_refused_and_leaves_the_device(world: World, house: House) -> None:
    device = await for_sale(world, house, "d1")

    for field in NO_ACCOUNT:
        answer = await sign_up(world, "d1", **field)
        assert problem(answer)[0] == 400, field
        assert PASSWORD not in answer.text
    assert (await read_again(world, device)).customer_id is None


async def test_cm_1_guesses_of_people_without_an_account_are_counted_by_their_address(
    world: World, house: House
) -> None:
    await for_sale(world, house, "d1")
    for number in range(5):
        await sign_up(world, "d1", f"guess {number}", email=f"eve{number}@example.com")

    answer = await sign_up(world, "d1", email="another@example.com")
    ada = await claimed(await world.person(house.user), "d1")

    assert problem(answer) == (429, "locked")
    assert ada.status_code == 200  # cm-2: who has an account of his own is not held up
