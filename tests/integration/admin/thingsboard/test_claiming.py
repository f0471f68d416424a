"""Claiming over ThingsBoard's REST: what each claim is answered (contract 4.4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.admin.thingsboard.buyers import (
    CLAIMED,
    DATA,
    FAILURE,
    FAR_MS,
    NOBODY,
    buyer,
    claim,
    found,
    give_back,
    link,
    on_the_shelf,
    opened_by_device,
    owner,
    server_attributes,
)
from tests.integration.admin.thingsboard.rest import Rest, administered, other_tenant
from tests.integration.provisioning.fake_clock import FakeClock

NOT_FOUND = (404, 32, "Requested item wasn't found!")
PERMISSION = (403, 20, "You don't have permission to perform this operation!")


async def test_cl_10_the_right_secret_answers_the_whole_device_of_its_new_owner(admin: Rest) -> None:
    ada = await buyer(admin, "ada")
    device_id = await on_the_shelf(admin, "d1")
    await admin.call("POST", f"{DATA}/{device_id}/SERVER_SCOPE", {"claimingAllowed": True, "kept": 1})

    status, answer = await claim(ada, "d1", "s3cret")

    assert (status, answer.keys(), answer["response"]) == (200, {"device", "response"}, "SUCCESS")
    assert answer["device"] == await admin.call("GET", f"/api/device/{device_id}")
    assert answer["device"]["customerId"] == (await ada.call("GET", "/api/auth/user"))["customerId"]
    assert await server_attributes(admin, device_id) == {"kept": 1}


async def test_a_claim_is_answered_as_the_decision_table_says(admin: Rest) -> None:
    """Contract 4.4, 4.5: claim data, secret and time, owner."""
    ada, bob = await buyer(admin, "ada"), await buyer(admin, "bob")
    await on_the_shelf(admin, "bare", None)
    await on_the_shelf(admin, "late", until_ms=1)
    await on_the_shelf(admin, "open")

    answers = [
        await claim(ada, "bare", "s3cret"),
        await claim(ada, "late", "s3cret"),
        await claim(ada, "open", "wrong"),
        await claim(ada, "open", "S3CRET"),
    ]
    won = await claim(ada, "open", "s3cret")
    after = [await claim(ada, "open", "s3cret"), await claim(bob, "open", "s3cret"), await claim(bob, "open")]

    assert answers == [FAILURE] * 4
    assert won[0] == 200
    assert after == [CLAIMED] * 3
    assert await owner(admin, "open") == "ada"


async def test_the_texts_of_refusals_are_bare_json_strings(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    await on_the_shelf(sqlite_admin, "d1", None)

    answer = await ada.send("POST", link("d1"), {})

    assert (answer.status_code, answer.content) == (400, b'"FAILURE"')
    assert answer.headers["content-type"] == "application/json"


async def test_cl_6_no_secret_in_whatever_form_claims_a_device_that_opened_without_one(
    sqlite_admin: Rest, subtests: pytest.Subtests
) -> None:
    ada = await buyer(sqlite_admin, "ada")
    bodies = b"", b"null", b"{}", b'{"secretKey":null}', b'{"secretKey":""}', b'{"more":[1]}'

    for number, body in enumerate(bodies):
        with subtests.test(body.decode()):
            name = f"d{number}"
            await on_the_shelf(sqlite_admin, name, None)
            await opened_by_device(sqlite_admin.server, name)

            answer = await ada.send("POST", link(name), content=body)

            assert (answer.status_code, await owner(sqlite_admin, name)) == (200, "ada")


async def test_a_secret_does_not_open_what_was_opened_without_one(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    await on_the_shelf(sqlite_admin, "d1", None)
    await opened_by_device(sqlite_admin.server, "d1")

    assert await claim(ada, "d1", "x") == FAILURE
    assert (await claim(ada, "d1"))[0] == 200


async def test_a_number_is_the_secret_that_it_looks_like(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    await on_the_shelf(sqlite_admin, "d1", "12345678")

    answer = await ada.send("POST", link("d1"), {"secretKey": 12345678})

    assert answer.status_code == 200


async def test_refusals_around_the_claim_have_thingsboard_s_form(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    await on_the_shelf(sqlite_admin, "d1")
    nobody, program = Rest(sqlite_admin.server), await sqlite_admin.program("devices:write", "devices:create")

    assert await ada.refused("POST", link("d2"), {}) == NOT_FOUND
    assert (await nobody.refused("POST", link("d1"), {}))[:2] == (401, 10)
    assert (await nobody.refused("DELETE", link("d1")))[:2] == (401, 10)
    assert await sqlite_admin.refused("POST", link("d1"), {"secretKey": "s3cret"}) == PERMISSION
    assert await program.refused("POST", link("d1"), {"secretKey": "s3cret"}) == PERMISSION
    for blank in ("", " ", "\t"):
        for method in ("POST", "DELETE"):
            refused = await ada.refused(method, link(blank), {})
            assert refused == (400, 31, "Parameter 'deviceName' can't be empty!")
    for broken in (b"{", b"[]", b'"s3cret"', b'{"secretKey":["s3cret"]}', b'{"secretKey":"a","secretKey":"b"}'):
        assert (await ada.refused("POST", link("d1"), content=broken))[:2] == (400, 31), broken
    assert await owner(sqlite_admin, "d1") is None


async def test_cm_9_looking_at_the_link_changes_nothing(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    await on_the_shelf(sqlite_admin, "d1")
    before = await found(sqlite_admin.server, "d1")

    for method in ("GET", "HEAD", "PUT", "PATCH"):
        assert (await ada.send(method, f"{link('d1')}?secretKey=s3cret")).status_code == 405

    assert await found(sqlite_admin.server, "d1") == before


async def test_names_with_any_characters_are_claimed_and_given_back(
    sqlite_admin: Rest, subtests: pytest.Subtests
) -> None:
    """Contract 4.4: ThingsBoard cannot put a slash there; we can."""
    ada = await buyer(sqlite_admin, "ada")
    plain = ["a/b", "/", "a/claim", "claim", "device", "a b+c", "50%", "a?b#c&d", "...", "x;y=1"]

    for name in (*plain, "Zähler Ä", "日本", "😀"):
        with subtests.test(name):
            await on_the_shelf(sqlite_admin, name)

            status, answer = await claim(ada, name, "s3cret")
            given = await give_back(ada, name)

            assert (status, answer["device"]["name"], given) == (200, name, (200, b""))


async def test_cl_11_names_are_compared_exactly(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    await on_the_shelf(sqlite_admin, "Meter 1")

    for name in ("meter 1", "Meter  1", "Meter", "Meter 1x", "Meter%201"):
        assert (await claim(ada, name, "s3cret"))[0] in (404, 429)
    assert await owner(sqlite_admin, "Meter 1") is None


async def test_cm_10_a_claim_is_looked_up_in_the_claimer_s_tenant_only(admin: Rest) -> None:
    other = await other_tenant(admin.server)
    theirs = await on_the_shelf(other, "d1", "their secret")
    await on_the_shelf(admin, "d1", "our secret")
    await on_the_shelf(other, "d2", "their secret")
    ada = await buyer(admin, "ada")

    assert await claim(ada, "d1", "their secret") == FAILURE
    assert await ada.refused("POST", link("d2"), {"secretKey": "their secret"}) == NOT_FOUND
    assert (await claim(ada, "d1", "our secret"))[0] == 200
    assert (await other.call("GET", f"/api/device/{theirs}"))["customerId"]["id"] == NOBODY
    assert "claimingData" in await server_attributes(other, theirs)


async def test_the_last_millisecond_counts_and_the_next_does_not(tmp_path: Path, database: str | None) -> None:
    """Contract 4.4: equal is still valid; threat CM-8."""
    now = FakeClock()
    async with administered(tmp_path, database, clock=now.clock) as admin:
        ada = await buyer(admin, "ada")
        until_ms = now.now_ms + 60_000
        for name in ("in time", "late"):
            await on_the_shelf(admin, name, until_ms=until_ms)
        for name in ("device in time", "device late"):
            await on_the_shelf(admin, name, None)
            await opened_by_device(admin.server, name, "s3cret", 60_000)

        now.advance(60)
        in_time = [await claim(ada, name, "s3cret") for name in ("in time", "device in time")]
        now.advance(0.001)
        late = [await claim(ada, name, "s3cret") for name in ("late", "device late")]

    assert [status for status, _ in in_time] == [200, 200]
    assert late == [FAILURE, FAILURE]


async def test_cl_9_what_the_device_has_opened_stands_before_what_an_administrator_has(
    tmp_path: Path, database: str | None
) -> None:
    now = FakeClock()
    async with administered(tmp_path, database, clock=now.clock) as admin:
        ada = await buyer(admin, "ada")
        for name in ("d1", "d2"):
            await on_the_shelf(admin, name, "the administrator's")
            await opened_by_device(admin.server, name, "the device's own", 60_000)

        own = await claim(ada, "d1", "the device's own")
        before = await claim(ada, "d2", "the administrator's")
        now.advance(61)
        after = await claim(ada, "d2", "the administrator's")

    assert (own[0], before, after[0]) == (200, FAILURE, 200)


async def test_cl_12_who_has_failed_at_the_device_s_own_secret_may_use_the_administrator_s(
    admin: Rest,
) -> None:
    """CM-2: else a former owner who has kept the token of a device could keep its label from working."""
    ada, bob = await buyer(admin, "ada"), await buyer(admin, "bob")
    await on_the_shelf(admin, "d1", "the administrator's")
    await opened_by_device(admin.server, "d1", "the device's own", 60_000)

    answers = [(await claim(ada, "d1", "the administrator's"))]
    await opened_by_device(admin.server, "d1", "the device's next", 60_000)
    answers += [await claim(bob, "d1", "the administrator's"), await claim(ada, "d1", "the administrator's")]

    assert [status for status, _ in answers] == [400, 400, 200]


async def test_a_claimed_device_is_reached_by_its_owner_at_once(admin: Rest) -> None:
    ada, bob = await buyer(admin, "ada"), await buyer(admin, "bob")
    device_id = await on_the_shelf(admin, "d1")
    before = (await ada.send("GET", f"/api/device/{device_id}")).status_code

    await claim(ada, "d1", "s3cret")

    after = [(await person.send("GET", f"/api/device/{device_id}")).status_code for person in (ada, bob)]
    assert (before, after) == (403, [200, 403])


async def test_no_answer_and_no_record_of_a_claim_has_the_secret(sqlite_admin: Rest) -> None:
    """SE-5."""
    ada = await buyer(sqlite_admin, "ada")
    await on_the_shelf(sqlite_admin, "d1", "Zebra-secret")

    answers = [
        await claim(ada, "d1", "Zebra-guess"),
        await claim(ada, "d1", "Zebra-secret"),
        await claim(ada, "d2", "Zebra"),
    ]

    told = json.dumps([*answers, *([str(row) for row in await sqlite_admin.server.audit()])])
    assert "Zebra" not in told


async def test_what_was_claimed_is_in_the_audit_log_with_who_did_it(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    await on_the_shelf(sqlite_admin, "d1")

    await claim(ada, "d1", "s3cret")
    await give_back(ada, "d1")

    entries: list[Any] = [row.entry for row in await sqlite_admin.server.audit() if row.entry.device == "d1"]
    told = [
        (each.event, each.actor, each.address)
        for each in entries
        if each.event in ("device-claimed", "device-released")
    ]
    assert told == [
        ("device-claimed", "user:ada@example.com", "127.0.0.1"),
        ("device-released", "user:ada@example.com", "127.0.0.1"),
    ]


async def test_a_new_window_of_an_administrator_replaces_the_last_one(admin: Rest) -> None:
    ada = await buyer(admin, "ada")
    device_id = await on_the_shelf(admin, "d1", "first secret")
    data = {"claimingData": {"secretKey": "second secret", "expirationTime": FAR_MS}}
    await admin.call("POST", f"{DATA}/{device_id}/SERVER_SCOPE", data)

    assert await claim(ada, "d1", "first secret") == FAILURE
    assert (await claim(ada, "d1", "second secret"))[0] == 200
