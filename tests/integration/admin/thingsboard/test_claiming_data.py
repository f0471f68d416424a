"""The attribute ``claimingData`` through every call that sets, shows or deletes attributes (contract 4.3, 5.6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.admin.thingsboard.buyers import (
    DATA,
    FAILURE,
    FAR_MS,
    buyer,
    claim,
    on_the_shelf,
    opened_by_device,
    server_attributes,
)
from tests.integration.admin.thingsboard.rest import Rest, administered
from tests.integration.admin.thingsboard.test_bulk_import import imported

SECRET = "Zebra-secret-77"
OPEN = {"secretKey": SECRET, "expirationTime": FAR_MS}
SHOWN = {"secretKey": "***", "expirationTime": FAR_MS}


async def test_every_call_that_sets_attributes_opens_a_window(
    sqlite_admin: Rest, subtests: pytest.Subtests
) -> None:
    """Whatever the body is called: tb-rest-client 4.4 sends ``text/plain``."""
    ada = await buyer(sqlite_admin, "ada")
    body = json.dumps({"claimingData": OPEN}).encode()

    for path in ("{id}/SERVER_SCOPE", "DEVICE/{id}/SERVER_SCOPE", "DEVICE/{id}/attributes/SERVER_SCOPE"):
        for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
            name = f"{path.replace('{id}', '')} {content_type}"
            with subtests.test(name):
                device_id = await on_the_shelf(sqlite_admin, name, None)
                where, headers = f"{DATA}/{path.format(id=device_id)}", {"content-type": content_type}

                done = await sqlite_admin.send("POST", where, content=body, headers=headers)

                assert (done.status_code, done.content) == (200, b"")
                assert await server_attributes(sqlite_admin, device_id) == {"claimingData": SHOWN}
                assert (await claim(ada, name, SECRET))[0] == 200


async def test_the_value_may_be_a_text_of_json(sqlite_admin: Rest) -> None:
    """Contract 4.3: an object, or a string holding that JSON."""
    ada = await buyer(sqlite_admin, "ada")
    device_id = await on_the_shelf(sqlite_admin, "d1", None)

    await sqlite_admin.call("POST", f"{DATA}/{device_id}/SERVER_SCOPE", {"claimingData": json.dumps(OPEN)})

    assert await server_attributes(sqlite_admin, device_id) == {"claimingData": SHOWN}
    assert (await claim(ada, "d1", SECRET))[0] == 200


@pytest.mark.parametrize("path", ["{id}/SERVER_SCOPE", "DEVICE/{id}/SERVER_SCOPE"])
async def test_deleting_the_attribute_closes_the_window(admin: Rest, path: str) -> None:
    ada = await buyer(admin, "ada")
    device_id = await on_the_shelf(admin, "d1", SECRET)

    await admin.call("DELETE", f"{DATA}/{path.format(id=device_id)}?keys=claimingData")

    assert await claim(ada, "d1", SECRET) == FAILURE
    assert await server_attributes(admin, device_id) == {}


async def test_deleting_the_attribute_leaves_the_window_of_the_device(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    device_id = await on_the_shelf(sqlite_admin, "d1", SECRET)
    await opened_by_device(sqlite_admin.server, "d1", "its own secret")

    await sqlite_admin.call("DELETE", f"{DATA}/{device_id}/SERVER_SCOPE?keys=claimingData")

    assert (await claim(ada, "d1", "its own secret"))[0] == 200


async def test_se_2_no_answer_shows_the_secret(sqlite_admin: Rest) -> None:
    program = await sqlite_admin.program("attributes:read")
    device_id = await on_the_shelf(sqlite_admin, "d1", SECRET)
    reads = [
        f"{DATA}/DEVICE/{device_id}/values/attributes",
        f"{DATA}/DEVICE/{device_id}/values/attributes?keys=claimingData",
        f"{DATA}/DEVICE/{device_id}/values/attributes/SERVER_SCOPE",
        f"{DATA}/DEVICE/{device_id}/values/attributes/SERVER_SCOPE?keys=claimingData",
        f"{DATA}/DEVICE/{device_id}/keys/attributes",
        f"/api/device/{device_id}",
        f"/api/firstboot/devices/{device_id}/claim-windows",
        f"/api/firstboot/devices/{device_id}/owners",
        "/api/firstboot/audit",
    ]

    for path in reads:
        answer = await sqlite_admin.send("GET", path)
        assert answer.status_code == 200, path
        assert "Zebra" not in answer.text, path
    assert "Zebra" not in (await program.send("GET", reads[0])).text


async def test_writing_back_what_is_shown_keeps_the_secret(admin: Rest) -> None:
    """What every program does that reads all attributes, changes one, and saves them."""
    ada = await buyer(admin, "ada")
    device_id = await on_the_shelf(admin, "d1", SECRET)
    shown = await server_attributes(admin, device_id)

    await admin.call("POST", f"{DATA}/{device_id}/SERVER_SCOPE", {**shown, "more": 1})

    assert await claim(ada, "d1", "***") == FAILURE
    assert (await claim(ada, "d1", SECRET))[0] == 200


UNREADABLE: tuple[Any, ...] = (
    {**OPEN, "more": 1},
    f'{{"secretKey":"{SECRET}"',
    SECRET,
    [SECRET],
    {"secretKey": [SECRET], "expirationTime": FAR_MS},
    {"secretKey": SECRET, "expirationTime": SECRET},
    {"secretKey": SECRET * 100, "expirationTime": FAR_MS},
)


async def test_cl_7_what_cannot_be_read_opens_nothing_and_is_repeated_nowhere(
    tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """Contract, section 7: 400 "FAILURE", and not a message with the secret in it."""
    async with administered(tmp_path, claiming={"failures": 100}) as admin:
        ada = await buyer(admin, "ada")
        for number, value in enumerate(UNREADABLE):
            with subtests.test(str(number)):
                name = f"d{number}"
                device_id = await on_the_shelf(admin, name, None)

                done = await admin.send("POST", f"{DATA}/{device_id}/SERVER_SCOPE", {"claimingData": value})

                assert await claim(ada, name, SECRET) == await claim(ada, name) == FAILURE
                assert "Zebra" not in done.text + json.dumps(await server_attributes(admin, device_id))


async def test_cl_6_without_an_expiration_it_is_over(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    values: tuple[Any, ...] = {"secretKey": SECRET}, {"secretKey": SECRET, "expirationTime": None}

    for number, value in enumerate(values):
        device_id = await on_the_shelf(sqlite_admin, f"d{number}", None)
        await sqlite_admin.call("POST", f"{DATA}/{device_id}/SERVER_SCOPE", {"claimingData": value})
        assert await claim(ada, f"d{number}", SECRET) == FAILURE


async def test_separate_attributes_and_other_scopes_do_nothing(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    device_id = await on_the_shelf(sqlite_admin, "d1", None)

    await sqlite_admin.call("POST", f"{DATA}/{device_id}/SERVER_SCOPE", dict(OPEN))
    await sqlite_admin.call("POST", f"{DATA}/{device_id}/SHARED_SCOPE", {"claimingData": OPEN})

    assert await claim(ada, "d1", SECRET) == FAILURE


async def test_customers_neither_open_nor_close_windows_with_attributes(sqlite_admin: Rest) -> None:
    ada = await buyer(sqlite_admin, "ada")
    device_id = await on_the_shelf(sqlite_admin, "d1", SECRET)
    await claim(ada, "d1", SECRET)

    for key in ("claimingData", "claimingAllowed"):
        set_ = await ada.send("POST", f"{DATA}/{device_id}/SERVER_SCOPE", {key: OPEN})
        deleted = await ada.send("DELETE", f"{DATA}/{device_id}/SERVER_SCOPE?keys={key}")
        assert (set_.status_code, deleted.status_code) == (403, 403)


async def test_imported_devices_are_claimed_with_the_secret_of_their_row(admin: Rest) -> None:
    """Contract 5.5: a column of the server attribute claimingData."""
    ada = await buyer(admin, "ada")
    quoted = json.dumps(OPEN).replace('"', '""')
    text = f'NAME,TYPE,SECRET\nd1,default,"{quoted}"\nd2,default,\n'

    done = await imported(admin, text, "NAME", "TYPE", "SERVER_ATTRIBUTE:claimingData")
    answers = [await claim(ada, name, SECRET) for name in ("d1", "d2")]

    assert (done, answers[0][0], answers[1]) == ((2, 0, []), 200, FAILURE)


async def test_an_import_of_devices_that_exist_opens_them(admin: Rest) -> None:
    ada = await buyer(admin, "ada")
    device_id = await on_the_shelf(admin, "d1", None)
    quoted = json.dumps(OPEN).replace('"', '""')

    done = await imported(admin, f'd1,"{quoted}"\n', "NAME", "SERVER_ATTRIBUTE:claimingData", header=False)

    assert done == (0, 1, [])
    assert await server_attributes(admin, device_id) == {"claimingData": SHOWN}
    assert (await claim(ada, "d1", SECRET))[0] == 200


async def test_a_device_made_with_the_attribute_over_nothing_else_has_no_window(sqlite_admin: Rest) -> None:
    """`additionalInfo` and the label are no place for claim data."""
    ada = await buyer(sqlite_admin, "ada")
    await sqlite_admin.call(
        "POST", "/api/device", {"name": "d1", "additionalInfo": {"claimingData": OPEN}, "claimingData": OPEN}
    )

    assert await claim(ada, "d1", SECRET) == FAILURE
