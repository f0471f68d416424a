"""Guessing secrets and names over ThingsBoard's REST (threats CM-1, CM-2, CM-3, CM-7)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
from tests.integration.admin.thingsboard.buyers import (
    CLAIMED,
    FAILURE,
    buyer,
    claim,
    give_back,
    link,
    on_the_shelf,
    opened_by_device,
    owner,
)
from tests.integration.admin.thingsboard.rest import Rest, administered
from tests.integration.provisioning.fake_clock import FakeClock

LOCKED = 429


async def test_cm_1_after_five_wrong_guesses_even_the_right_secret_has_to_wait(
    tmp_path: Path, database: str | None
) -> None:
    now = FakeClock()
    async with administered(tmp_path, database, clock=now.clock) as admin:
        ada = await buyer(admin, "ada")
        await on_the_shelf(admin, "d1")

        guesses = [await claim(ada, "d1", f"guess {number}") for number in range(5)]
        sixth = await ada.send("POST", link("d1"), {"secretKey": "s3cret"})
        now.advance(14 * 60)
        still = await claim(ada, "d1", "s3cret")
        now.advance(61)
        later = await claim(ada, "d1", "s3cret")

    assert guesses == [FAILURE] * 5
    assert (sixth.status_code, sixth.headers["retry-after"]) == (LOCKED, "900")
    assert sixth.json() == {
        "status": 429,
        "message": "Too many claims have failed; until some time has passed no secret is looked at.",
        "errorCode": 33,
        "timestamp": sixth.json()["timestamp"],
    }
    assert (still[0], later[0]) == (LOCKED, 200)


async def test_cm_1_of_two_hundred_guesses_side_by_side_five_are_looked_at(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    await on_the_shelf(sqlite_admin, "d1", "77")

    answers: list[httpx2.Response] = []
    for first in range(100, 300, 50):  # no more connections at once than one address may have
        guesses = range(first, first + 50)
        answers += await asyncio.gather(
            *(ada.send("POST", link("d1"), {"secretKey": str(number)}) for number in guesses)
        )
    right = await claim(ada, "d1", "77")

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(400), statuses.count(LOCKED), right[0]) == (5, 195, LOCKED)
    assert await owner(sqlite_admin, "d1") is None


async def test_cm_1_a_new_login_is_the_same_person(sqlite_admin: Rest) -> None:
    customer = await sqlite_admin.customer("ada")
    ada = await sqlite_admin.active_user("ada@example.com", customer)
    await on_the_shelf(sqlite_admin, "d1")
    for number in range(5):
        await claim(ada, "d1", f"guess {number}")

    again = await Rest.login(sqlite_admin.server, "ada@example.com", "another good one")

    assert (await claim(again, "d1", "s3cret"))[0] == LOCKED


async def test_cm_2_who_guesses_locks_himself_out_and_nobody_else(admin: Rest) -> None:
    eve, bob = await buyer(admin, "eve"), await buyer(admin, "bob")
    await on_the_shelf(admin, "d1", "a long enough secret 1")
    await on_the_shelf(admin, "d2", None)
    await opened_by_device(admin.server, "d2", "a long enough secret 2")

    for number in range(10):
        await claim(eve, "d1", f"guess {number}")
        await claim(eve, "d2", f"guess {number}")

    assert (await claim(bob, "d1", "a long enough secret 1"))[0] == 200
    assert (await claim(bob, "d2", "a long enough secret 2"))[0] == 200


async def test_cm_3_the_first_try_of_somebody_new_is_looked_at_whatever_others_did(sqlite_admin: Rest) -> None:
    """A hundred accounts of one customer guess; the buyer is another customer behind the same address."""
    customer = await sqlite_admin.customer("eves")
    eves = await asyncio.gather(*(sqlite_admin.active_user(f"eve{n}@example.com", customer) for n in range(20)))
    bob = await buyer(sqlite_admin, "bob")
    await on_the_shelf(sqlite_admin, "d1", "a long enough secret")
    for number in range(5):
        await asyncio.gather(*(claim(eve, "d1", f"guess {number}") for eve in eves))

    assert (await claim(bob, "d1", "a long enough secret"))[0] == 200


async def test_cm_7_unknown_names_are_failures_too(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")

    statuses = [(await claim(ada, f"name {number}"))[0] for number in range(7)]

    assert statuses == [404] * 5 + [LOCKED] * 2


async def test_cm_7_refusals_of_one_status_are_alike(sqlite_admin: Rest) -> None:
    """Only what the contract itself tells apart can be told apart, in no header either."""
    ada, bob = await buyer(sqlite_admin, "ada"), await buyer(sqlite_admin, "bob")
    for name, secret in (("open", "s3cret"), ("bare", None), ("taken", "s3cret"), ("late", "s3cret")):
        await on_the_shelf(sqlite_admin, name, secret, *([1] if name == "late" else []))
    await claim(bob, "taken", "s3cret")

    def told(answer: httpx2.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
        return answer.status_code, answer.content, [each for each in answer.headers.items() if each[0] != "date"]

    answers = {
        name: told(await ada.send("POST", link(name), {"secretKey": "x"})) for name in ("open", "bare", "late")
    }

    assert answers["open"] == answers["bare"] == answers["late"]
    assert await claim(ada, "taken", "x") == CLAIMED


async def test_names_that_no_device_can_have_are_unknown(tmp_path: Path) -> None:
    async with administered(tmp_path, claiming={"failures": 100}) as admin:
        ada = await buyer(admin, "ada")
        for name in ("x" * 256, "<script>", "{{7*7}}", "\u202e", "x" * 2000):
            assert await ada.refused("POST", link(name), {}) == (404, 32, "Requested item wasn't found!")
        assert (await ada.refused("POST", link("a\x00b"), {}))[:2] == (400, 31)


async def test_giving_back_what_is_not_there_locks_nobody_out(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    await on_the_shelf(sqlite_admin, "d1")

    for _ in range(10):
        assert (await give_back(ada, "d2"))[0] == 404

    assert (await claim(ada, "d1", "s3cret"))[0] == 200
